//! The shim as a program of its own; the same as `autores shim`.

use std::process::ExitCode;

fn main() -> ExitCode {
    autores_executor::shim::main(std::env::args_os().skip(1))
}
