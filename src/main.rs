//! The `fitout` program: see the library of the same name.

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    // Fitout starts itself to enter an offline root; every other command line is a person's.
    fitout::target::enter_main(&arguments).unwrap_or_else(|| fitout::cli::main(&arguments))
}
