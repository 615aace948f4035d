//! Progress on standard error: bars on a terminal, a line a step elsewhere, or events as JSON.

use super::output::{Paint, paint, say};
use super::{Global, ProgressForm};
use crate::apply::{Event, Observer, Outcome, Report};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

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
            Event::Resolving { question } => say(&format!("{question} …")),
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

/// One bar for the run, with the step in hand and the last line of its program.
#[derive(Debug, Default)]
struct Bars {
    bar: Option<ProgressBar>,
    step: String,
}

/// How often a bar moves by itself, so that a person sees that something lives.
const TICK: Duration = Duration::from_millis(120);
/// What is shown of a program's last line.
const LINE: usize = 60;

impl Bars {
    fn bar(&mut self) -> &ProgressBar {
        self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(0);
            let template = "{spinner:.green} [{pos}/{len}] {elapsed} {wide_msg}";
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(TICK);
            bar
        })
    }

    fn show(&mut self, text: String) {
        self.bar().set_message(text);
    }
}

impl Observer for Bars {
    fn on(&mut self, event: &Event) {
        match event {
            Event::Resolving { question } => self.show(format!("{question} …")),
            Event::RunStarted { resources } => self.bar().set_length(*resources as u64),
            Event::ResourceStarted { id } => self.show(id.to_string()),
            Event::StepStarted { id, summary, .. } => {
                self.step = format!("{id}: {summary}");
                self.show(self.step.clone());
            }
            Event::Advanced { done, total, .. } if *total > 0 => {
                let text = format!("{} {}", self.step, paint(Paint::Dim, &format!("{} %", done * 100 / total)));
                self.show(text);
            }
            Event::Line { text, .. } => {
                let shown: String = text.chars().take(LINE).collect();
                let text = format!("{} {}", self.step, paint(Paint::Dim, &shown));
                self.show(text);
            }
            Event::ResourceFinished { report } => {
                let text = told(report);
                let bar = self.bar();
                bar.inc(1);
                if let Some(text) = text {
                    bar.suspend(|| say(&text));
                }
            }
            Event::RunFinished { .. } => self.bar().finish_and_clear(),
            Event::Advanced { .. } | Event::StepFinished { .. } => {}
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
