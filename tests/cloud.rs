//! Azure's metadata service and its manager, as far as a stop needs them, over real sockets: what they answer, as documented, and what they must never be asked.

#![cfg(test)]

use fitout::cloud::{Azure, is_azure};
use fitout::step::Ability;
use fitout::target::fake::{Behaviour, Fake, Node};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use url::Url;

/// A server that answers by the beginning of a request's path, and remembers what it was asked.
struct Server {
    url: Url,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Beginning of `VERB path`, status line and headers, body.
type Answer = (&'static str, &'static str, &'static str);

impl Server {
    fn new(answers: &'static [Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || answer(stream, answers, &seen));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, answers: &[Answer], seen: &Mutex<Vec<String>>) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let Some(first) = head.first() else { return };
    let kept = head.iter().filter(|line| ["metadata:", "authorization:"].iter().any(|name| line.to_lowercase().starts_with(name)));
    let asked = [first.trim_end_matches(" HTTP/1.1").to_owned()].into_iter().chain(kept.cloned()).collect::<Vec<_>>().join(" | ");
    seen.lock().unwrap().push(asked);
    let Some((_, status, body)) = answers.iter().find(|(begin, ..)| first.starts_with(begin)) else { return };
    if *status == "hang" {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap_or_default();
        return;
    }
    let body = if *body == "flood" { "x".repeat(64 << 20) } else { (*body).to_owned() };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).unwrap_or_default();
}

const VM: Answer = (
    "GET /metadata/instance/compute?",
    "200 OK",
    r#"{"azEnvironment":"AzurePublicCloud","name":"lab","resourceId":"/subscriptions/0-1/resourceGroups/lab-rg/providers/Microsoft.Compute/virtualMachines/lab","vmSize":"Standard_NC24ads_A100_v4"}"#,
);
const TOKEN: Answer = (
    "GET /metadata/identity/oauth2/token?",
    "200 OK",
    r#"{"access_token":"CANARY","client_id":"c","expires_in":"86399","expires_on":"1506570799","not_before":"1506484099","resource":"https://management.azure.com/","token_type":"Bearer"}"#,
);
const ACCEPTED: Answer = ("POST /subscriptions/", "202 Accepted\r\nAzure-AsyncOperation: https://management.azure.com/x", "");

fn stop(imds: &Server, manager: &Server) -> Result<(), String> {
    let azure = Azure::at(imds.url.clone(), Some(manager.url.clone())).unwrap();
    let leave = azure.leave().map_err(|e| e.to_string())?;
    assert!(!format!("{leave:?}").contains("CANARY"));
    azure.deallocate(&leave).map_err(|e| e.to_string())
}

#[test]
fn a_machine_is_deallocated_by_its_own_identity() {
    let (imds, manager) = (Server::new(&[VM, TOKEN]), Server::new(&[ACCEPTED]));
    assert_eq!(stop(&imds, &manager), Ok(()));
    assert_eq!(
        imds.asked(),
        [
            "GET /metadata/instance/compute?api-version=2021-02-01&format=json | metadata: true",
            "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F | metadata: true",
        ]
    );
    let vm = "/subscriptions/0-1/resourceGroups/lab-rg/providers/Microsoft.Compute/virtualMachines/lab";
    assert_eq!(manager.asked(), [format!("POST {vm}/deallocate?api-version=2024-07-01 | authorization: Bearer CANARY")]);
}

/// What goes wrong, and what is said of it. Nothing that goes wrong is a success.
#[test]
fn every_refusal_is_told_with_its_mend() {
    const NO_IDENTITY: &str = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    const NO_RIGHT: &str =
        r#"{"error":{"code":"AuthorizationFailed","message":"The client does not have authorization to perform action"}}"#;
    const STRANGE: &str = r#"{"azEnvironment":"AzurePublicCloud","resourceId":"/subscriptions/../../evil"}"#;
    const OTHER_CLOUD: &str = r#"{"azEnvironment":"EvilCloud","resourceId":"/subscriptions/0-1/x"}"#;
    let cases: [(&'static [Answer], &'static [Answer], &str); 11] = [
        (&[VM, ("GET /metadata/identity", "400 Bad Request", NO_IDENTITY)], &[], "az vm identity assign"),
        (
            &[VM, TOKEN],
            &[("POST", "403 Forbidden", NO_RIGHT)],
            "AuthorizationFailed The client does not have authorization to perform action; give its identity a role",
        ),
        (&[VM, TOKEN], &[("POST", "409 Conflict", "")], "it answers 409"),
        (&[VM, TOKEN], &[("POST", "307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/", "")], "it answers 307"),
        (&[("GET", "302 Found\r\nLocation: http://127.0.0.1:1/", "")], &[], "it answers 302"),
        (&[("GET", "429 Too Many Requests", "")], &[], "it answers 429"),
        (&[("GET", "500 Internal Server Error", "no")], &[], "it answers 500"),
        (&[("GET", "200 OK", "garbage")], &[], "cannot ask Azure's metadata service"),
        (&[("GET", "200 OK", "flood")], &[], "larger than"),
        (&[("GET", "200 OK", STRANGE)], &[], "no resource of Azure's"),
        (&[("GET", "200 OK", OTHER_CLOUD)], &[], "its cloud `EvilCloud` is not known"),
    ];
    for (imds, manager, said) in cases {
        let error = stop(&Server::new(imds), &Server::new(manager)).unwrap_err();
        assert!(error.contains(said) && !error.contains("CANARY"), "{error}");
    }
}

#[test]
fn a_service_that_hangs_or_is_not_there_is_not_waited_for() {
    let began = Instant::now();
    let hanging = Server::new(&[("GET", "hang", "")]);
    assert!(stop(&hanging, &hanging).is_err());
    let nobody = Url::parse("http://127.0.0.1:9/").unwrap();
    assert!(Azure::at(nobody, None).unwrap().leave().is_err());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn no_more_than_five_questions_are_asked_in_a_second() {
    let imds = Server::new(&[VM, TOKEN]);
    let azure = Azure::at(imds.url.clone(), Some(imds.url.clone())).unwrap();
    let began = Instant::now();
    for _ in 0..3 {
        azure.leave().unwrap();
    }
    assert_eq!(imds.asked().len(), 6);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn azures_machines_are_known_by_their_chassis() {
    let machine = |tag: &str| {
        let path = fitout::model::TargetPath::parse("/sys/class/dmi/id/chassis_asset_tag").unwrap();
        let fake = Fake::debian(&[Ability::Files, Ability::RunningSystem], Behaviour::default()).unwrap();
        fake.arrange(|tree| {
            tree.make_directories(&path.parent().unwrap(), 0o755)?;
            tree.put(&path, Node::file(tag, 0o444, (0, 0)))
        })
        .unwrap();
        fake
    };
    assert!(is_azure(&machine("7783-7084-3265-9085-8269-3286-77\n")).unwrap());
    assert!(!is_azure(&machine("Amazon EC2\n")).unwrap());
}
