//! What JupyterLab shows of a stop: the extension that Fitout puts there, played without a browser.

use crate::machine::{command, must};
use serde_json::{Value, json};

const EXTENSION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/recipe/jupyter/notice.js");
const PLAYER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/container/notice.js");

/// What is shown of the pages that are seen one after the other.
fn shown(pages: &Value) -> Value {
    serde_json::from_str(&must(command("node").args([PLAYER, EXTENSION, &pages.to_string()]))).unwrap()
}

#[test]
fn jupyterlab_shows_a_notice_once_keeps_it_true_and_takes_it_back() {
    let page = |notice: Value| json!({"version": 1, "stops": {"notice": notice}});
    let (nine, eight) = (page("stops in 9m".into()), page("stops in 8m".into()));
    // No agent yet, no stop, one that comes near, an agent that does not answer for a moment, and somebody who puts the stop off.
    let pages = json!([null, {"version": 1}, page(Value::Null), nine, nine, "gone", null, eight, page(Value::Null), page(Value::Null)]);
    let played = shown(&pages);
    assert_eq!((&played["starts"], &played["asked"]), (&true.into(), &json!(["http://127.0.0.1:8888/static/status.json no-store"])));
    let expected = json!([
        ["apputils:notify", null, "stops in 9m", "warning"],
        ["apputils:update-notification", 1, "stops in 8m", null],
        ["apputils:dismiss-notification", 1, null, null],
        ["apputils:notify", null, "This machine does not stop for now.", "info"],
    ]);
    assert_eq!(played["shown"], expected, "{played:#}");
}
