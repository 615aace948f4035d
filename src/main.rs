//! The `fitout` program: see [`fitout`].

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(code) = fitout::target::enter_main(&arguments) {
        return code;
    }
    std::process::ExitCode::SUCCESS
}
