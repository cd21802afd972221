//! `autores`: AI research by execution.

mod arguments;
mod command;
mod exit;
mod forecast;
mod home;
mod interrupt;
mod models;
mod out;
mod progress;
mod report;
mod table;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::exit::{Exit, Outcome};

fn main() -> ExitCode {
    // The shim must not start a runtime: it supervises with plain threads and outlives this program's releases.
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|word| word == "shim") {
        return autores_executor::shim::main(arguments);
    }
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();

    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("AUTORES_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error")),
        )
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the asynchronous runtime: {error}");
            return Exit::Failed.into();
        }
    };
    match runtime.block_on(dispatch(arguments)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("error: {}", out::plain(&format!("{:#}", failure.error)));
            failure.exit.into()
        }
    }
}

async fn dispatch(arguments: Arguments) -> Outcome {
    let home = home::Home::resolve(arguments.dir.as_deref())?;
    match arguments.command {
        Command::Run(options) => command::run::run(&home, *options).await,
        Command::Resume(options) => command::resume::run(&home, options).await,
        Command::Stop(options) => command::stop::stop(&home, options).await,
        Command::Pause(options) => command::stop::pause(&home, options).await,
        Command::Unpause(options) => command::stop::unpause(&home, options).await,
        Command::List(options) => command::list::run(&home, options).await,
        Command::Show(options) => command::show::run(&home, options).await,
        Command::Diff(options) => command::diff::run(&home, options).await,
        Command::Logs(options) => command::logs::run(&home, options).await,
        Command::Checkout(options) => command::checkout::run(&home, options).await,
        Command::Lessons(options) => command::lessons::run(&home, options).await,
        Command::Transcripts(options) => command::transcripts::run(&home, options).await,
        Command::Doctor(options) => command::doctor::run(&home, options).await,
        Command::Problem(action) => command::problem::run(&home, action).await,
        Command::Patch(action) => command::patch::run(&action),
    }
}
