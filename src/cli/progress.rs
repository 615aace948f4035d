//! Progress on standard error: bars on a terminal, a line a step elsewhere, or events as JSON.

use super::output::{Paint, paint, say};
use super::{Global, ProgressForm};
use crate::apply::{Event, Observer, Outcome, Report};
use crate::model::{ByteSize, ResourceId};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// The observer that a form asks for.
pub fn observers(global: &Global) -> Vec<Box<dyn Observer>> {
    let form = match global.progress {
        ProgressForm::Auto if std::io::stderr().is_terminal() => Box::new(Bars::default()) as Box<dyn Observer>,
        ProgressForm::Auto | ProgressForm::Plain => Box::new(Lines),
        ProgressForm::Json => Box::new(Json),
        ProgressForm::None => return faults(),
    };
    std::iter::once(form).chain(faults()).collect()
}

#[cfg(debug_assertions)]
fn faults() -> Vec<Box<dyn Observer>> {
    crate::apply::Fault::from_environment().into_iter().map(|fault| Box::new(fault) as Box<dyn Observer>).collect()
}

#[cfg(not(debug_assertions))]
fn faults() -> Vec<Box<dyn Observer>> {
    Vec::new()
}

/// An event a line.
#[derive(Debug)]
struct Json;

impl Observer for Json {
    fn on(&mut self, event: &Event) {
        if let Ok(line) = serde_json::to_string(event) {
            say(&line);
        }
    }
}

fn sign(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Changed => Some(paint(Paint::Green, "changed ")),
        Outcome::Deferred => Some(paint(Paint::Dim, "deferred")),
        Outcome::Failed => Some(paint(Paint::Red, "failed  ")),
        Outcome::Skipped => Some(paint(Paint::Yellow, "skipped ")),
        Outcome::Unchanged => None,
    }
}

/// What became of a resource, in lines; nothing of one that was as it should be.
fn told(report: &Report) -> Option<String> {
    let sign = sign(report.outcome)?;
    let seconds = Duration::from_millis(report.milliseconds).as_secs_f64();
    let mut text = format!("{sign} {:<58} {seconds:>6.1} s", report.id.to_string());
    if let Some(reason) = &report.reason {
        text = format!("{sign} {}\n         {}", report.id, reason.replace('\n', "\n         "));
    }
    if let Some(hint) = &report.hint {
        text = format!("{text}\n         {} {hint}", paint(Paint::Bold, "hint:"));
    }
    Some(text)
}

/// A line for what was resolved, begun and ended; for logs.
#[derive(Debug)]
struct Lines;

impl Observer for Lines {
    fn on(&mut self, event: &Event) {
        match event {
            Event::Waiting { holder } => say(&format!("waiting for {holder}, which is at work on this machine …")),
            Event::Resolving { question } => say(&format!("{question} …")),
            Event::Damaged { damage } => say(damage),
            Event::StepStarted { id, summary, why } => say(&format!("   ...   {id}: {summary} ({why})")),
            Event::ResourceFinished { report } => {
                if let Some(text) = told(report) {
                    say(&text);
                }
            }
            Event::RunStarted { .. }
            | Event::ResourceStarted { .. }
            | Event::Advanced { .. }
            | Event::Line { .. }
            | Event::StepFinished { .. }
            | Event::RunFinished { .. } => {}
        }
    }
}

/// One bar for the run, and above it a line for each resource in hand: its step, and how far it got or what its program said last.
#[derive(Debug, Default)]
struct Bars {
    all: MultiProgress,
    run: Option<ProgressBar>,
    in_hand: BTreeMap<ResourceId, Step>,
}

/// A step in hand.
#[derive(Debug)]
struct Step {
    line: ProgressBar,
    what: String,
    /// When it was first told how far it is, and how far it was.
    moving: Option<(Instant, u64)>,
}

/// How often a bar moves by itself, so that a person sees that something lives.
const TICK: Duration = Duration::from_millis(120);
/// What is shown of a program's last line.
const LINE: usize = 60;
/// The bar of the run: resources done with, of all.
const RUN: &str = "{spinner:.green} [{pos}/{len}] {elapsed} {wide_msg}";
/// The line of a step.
const STEP: &str = "  {spinner:.green} {wide_msg}";

fn living(bar: ProgressBar, template: &str) -> ProgressBar {
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(TICK);
    bar
}

/// Below this it is packages or files that are counted, not bytes; or it is over in a moment.
const BYTES: u64 = 1 << 24;

/// How fast bytes move, and how long what is left takes at that pace; nothing before a second has passed.
fn rate(moved: u64, total: u64, took: Duration) -> Option<String> {
    let rate = moved / Some(took.as_secs()).filter(|seconds| *seconds > 0 && total >= BYTES)?;
    let left = total.saturating_sub(moved).checked_div(rate)?;
    Some(format!(", {}/s, {left} s left", ByteSize(rate)))
}

impl Bars {
    fn run(&mut self) -> &ProgressBar {
        self.run.get_or_insert_with(|| living(self.all.add(ProgressBar::new(0)), RUN))
    }

    fn begin(&mut self, id: &ResourceId, summary: &str) {
        let run = self.run().clone();
        let all = &self.all;
        let step = self.in_hand.entry(id.clone()).or_insert_with(|| {
            let line = living(all.insert_before(&run, ProgressBar::new_spinner()), STEP);
            Step { line, what: String::new(), moving: None }
        });
        step.what = format!("{id}: {summary}");
        step.line.set_message(step.what.clone());
    }

    fn tell(&self, id: &ResourceId, text: &str) {
        if let Some(step) = self.in_hand.get(id) {
            step.line.set_message(format!("{} {}", step.what, paint(Paint::Dim, text)));
        }
    }

    fn advance(&mut self, id: &ResourceId, done: u64, total: u64) {
        let Some(step) = self.in_hand.get_mut(id) else { return };
        let (since, from) = *step.moving.get_or_insert_with(|| (Instant::now(), done));
        let rate = rate(done.saturating_sub(from), total, since.elapsed()).unwrap_or_default();
        self.tell(id, &format!("{} %{rate}", done * 100 / total));
    }

    fn end(&mut self, report: &Report) {
        if let Some(step) = self.in_hand.remove(&report.id) {
            step.line.finish_and_clear();
            self.all.remove(&step.line);
        }
        self.run().inc(1);
        if let Some(text) = told(report) {
            self.all.suspend(|| say(&text));
        }
    }
}

impl Observer for Bars {
    fn on(&mut self, event: &Event) {
        match event {
            Event::Waiting { holder } => self.run().set_message(format!("waiting for {holder} …")),
            Event::Resolving { question } => self.run().set_message(format!("{question} …")),
            Event::Damaged { damage } => self.all.suspend(|| say(damage)),
            Event::RunStarted { resources } => {
                self.run().set_message("");
                self.run().set_length(*resources as u64);
            }
            Event::StepStarted { id, summary, .. } => self.begin(id, summary),
            Event::Advanced { id, done, total } if *total > 0 => self.advance(id, *done, *total),
            Event::Line { id, text } => self.tell(id, &text.chars().take(LINE).collect::<String>()),
            Event::ResourceFinished { report } => self.end(report),
            Event::RunFinished { .. } => self.run().finish_and_clear(),
            Event::ResourceStarted { .. } | Event::Advanced { .. } | Event::StepFinished { .. } => {}
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        // What was cut short leaves no line behind.
        self.all.clear().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_pace_and_other_things_do_not() {
        let said = |moved, total, seconds| rate(moved, total, Duration::from_secs(seconds));
        assert_eq!(said(40_000_000, 100_000_000, 4).unwrap(), ", 10.0 MB/s, 6 s left");
        assert_eq!((said(0, 100_000_000, 4), said(40_000_000, 100_000_000, 0), said(7, 9, 4)), (None, None, None));
    }
}
