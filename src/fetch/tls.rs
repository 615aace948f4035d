//! Why a certificate is not accepted, in words that say what to do. There is no way to accept it all the same.

use rustls::CertificateError as Certificate;
use rustls::Error;
use rustls::pki_types::UnixTime;

/// What is wrong with a server's certificate, if that is what is wrong.
pub(super) fn said(error: &Error) -> Option<String> {
    let Error::InvalidCertificate(error) = error else { return None };
    let clock = |now: UnixTime| format!("by this machine's clock it is {}: is that right?", date(now));
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library knows others, and will know more")]
    Some(match error {
        Certificate::ExpiredContext { time, not_after } => {
            format!("the server's certificate expired on {}; {}", date(*not_after), clock(*time))
        }
        Certificate::NotValidYetContext { time, not_before } => {
            format!("the server's certificate is not valid before {}; {}", date(*not_before), clock(*time))
        }
        Certificate::NotValidForNameContext { presented, .. } => {
            let names = if presented.is_empty() { "nothing".to_owned() } else { presented.join(", ") };
            format!("the server's certificate is for {names} and not for this address: it is another server, or what is in the way answers")
        }
        Certificate::UnknownIssuer => "no authority that this machine trusts issued the server's certificate; where a company's server or \
             proxy has an authority of its own, name it under `network.ca_certificates`"
            .to_owned(),
        Certificate::Revoked => "the server's certificate was revoked".to_owned(),
        other => format!("the server's certificate is not accepted: {other}"),
    })
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s after 1970"), |time| time.strftime("%Y-%m-%d").to_string())
}
