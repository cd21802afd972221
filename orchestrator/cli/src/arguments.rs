//! The command line. The words are a stable contract.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// AI research by execution: ideas become patches on git branches, patches become training jobs, measured rewards
/// choose the next ideas.
#[derive(Debug, Parser)]
#[command(name = "autores", version, propagate_version = true)]
pub(crate) struct Arguments {
    /// Where all state lives [default: the platform's data directory]
    #[arg(long, global = true, env = "AUTORES_HOME", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Search for improvements of a problem
    Run(RunOptions),
    /// Go on with a run after a stop or a crash; running jobs are adopted
    Resume(ResumeOptions),
    /// Ask a run to stop so that it can be resumed
    Stop(StopOptions),
    /// Start no more jobs until further notice
    Pause(RunName),
    /// Start jobs again
    Unpause(RunName),
    /// List the runs
    List(ListOptions),
    /// Show a run (RUN), an idea (RUN/i7) or an experiment (RUN/e12)
    Show(ShowOptions),
    /// Show the change that an idea made
    Diff(IdeaOptions),
    /// Show the output of an experiment
    Logs(LogsOptions),
    /// Write an idea's code to a folder
    Checkout(CheckoutOptions),
    /// Say what was found on this machine and what would be used
    Doctor(JsonOption),
    /// Problems: a codebase and how it is measured
    #[command(subcommand)]
    Problem(ProblemAction),
}

#[derive(Debug, Args)]
pub(crate) struct JsonOption {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// A built-in problem's name, or the path of a folder with a problem.yaml
    #[arg(long)]
    pub(crate) problem: String,
    /// Size of the experiments [default: the problem's]
    #[arg(long)]
    pub(crate) scale: Option<String>,
    /// Where experiments run
    #[arg(long, default_value = "local")]
    pub(crate) backend: String,
    /// Who proposes ideas; `auto` takes the problem's catalogue
    #[arg(long, default_value = "auto")]
    pub(crate) ideator: String,
    /// How the next ideas are chosen: evolutionary or best-of-n
    #[arg(long, default_value = "evolutionary")]
    pub(crate) strategy: String,
    /// Number of epochs [default: the scale's]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) epochs: Option<u32>,
    /// Ideas in an epoch [default: the scale's]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: Option<u32>,
    /// Experiments at a time [default: one for each core or group of GPUs]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) slots: Option<u32>,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=2_147_483_000))]
    pub(crate) seed: u64,
    /// Strict generations: wait for an epoch's last experiment before the next epoch
    #[arg(long)]
    pub(crate) barrier: bool,
    /// Fresh seeds with which the finalists and the baseline are measured again
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) verify_seeds: u32,
    /// How many of the best ideas are measured again
    #[arg(long, default_value_t = 2)]
    pub(crate) finalists: u32,
    /// Name of the run [default: the problem's name and a number]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Print events as JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeOptions {
    /// The run
    pub(crate) run: String,
    /// Print events as JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StopOptions {
    /// The run
    pub(crate) run: String,
    /// End running jobs too; they are started again on resume
    #[arg(long)]
    pub(crate) now: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunName {
    /// The run
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    /// RUN, RUN/iNUMBER or RUN/eNUMBER
    pub(crate) what: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct IdeaOptions {
    /// RUN/iNUMBER
    pub(crate) idea: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogsOptions {
    /// RUN/eNUMBER
    pub(crate) experiment: String,
    /// Go on as the output grows, until the experiment ends
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Print the reported metrics as JSON lines instead
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckoutOptions {
    /// RUN/iNUMBER
    pub(crate) idea: String,
    /// A folder that is new or empty [default: RUN-iNUMBER here]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProblemAction {
    /// List the built-in problems
    List(JsonOption),
    /// Measure the baseline twice with each of two seeds: does it reproduce, how noisy is it?
    Check(CheckOptions),
    /// Write the skeleton of a new problem to a folder of that name
    New(NewOptions),
}

#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// A built-in problem's name, or the path of a folder with a problem.yaml
    pub(crate) problem: String,
    /// Size of the experiments [default: the problem's]
    #[arg(long)]
    pub(crate) scale: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NewOptions {
    /// Name of the problem, and of the folder that is made
    pub(crate) name: String,
}
