//! The command line. The words are a stable contract.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    Run(Box<RunOptions>),
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
    /// Show what a run has taught
    Lessons(LessonsOptions),
    /// Show or export what models were asked and what they said
    Transcripts(TranscriptsOptions),
    /// Say what was found on this machine and what would be used; asks each model that is set up for one token
    Doctor(DoctorOptions),
    /// Problems: a codebase and how it is measured
    #[command(subcommand)]
    Problem(ProblemAction),
    /// Patches in the words of a model
    #[command(subcommand)]
    Patch(PatchAction),
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
    #[arg(long, required_unless_present = "replay", conflicts_with = "replay")]
    pub(crate) problem: Option<String>,
    /// Size of the experiments [default: the problem's]
    #[arg(long)]
    pub(crate) scale: Option<String>,
    /// Where experiments run
    #[arg(long, default_value = "local")]
    pub(crate) backend: String,
    /// Who proposes ideas; `auto` takes a language model if one is set up, else the problem's catalogue
    #[arg(long, value_enum, default_value_t = IdeatorOption::Auto)]
    pub(crate) ideator: IdeatorOption,
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
    /// Begin with the lessons of an earlier run (RUN), or of a file written by `autores lessons RUN --json`
    #[arg(long, value_name = "RUN|FILE")]
    pub(crate) lessons: Option<String>,
    /// Repeat a run with the recorded replies of its models: same settings, same ideas, no network
    #[arg(long, value_name = "RUN", conflicts_with_all = ["scale", "ideator", "strategy", "epochs", "batch", "seed", "barrier", "verify_seeds",
        "finalists", "lessons", "model", "ideator_model", "implementer_model", "judge_model", "repairer_model",
        "embedding_model", "ideator_choice", "ideas", "candidates", "revisions", "repairs", "select", "budget_usd",
        "budget_tokens", "budget_gpu_hours"])]
    pub(crate) replay: Option<String>,
    /// Print events as JSON lines
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) models: ModelOptions,
    #[command(flatten)]
    pub(crate) budget: BudgetOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IdeatorOption {
    Auto,
    Llm,
    Catalogue,
}

/// Which models do what, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Language models")]
pub(crate) struct ModelOptions {
    /// Model of every role that has none of its own; several are given one after the other, each with a weight if it
    /// is to get more than its share
    #[arg(long, value_name = "PROVIDER/NAME[=WEIGHT]")]
    pub(crate) model: Vec<String>,
    /// Model that proposes ideas
    #[arg(long, value_name = "PROVIDER/NAME[=WEIGHT]")]
    pub(crate) ideator_model: Vec<String>,
    /// Model that turns ideas into patches
    #[arg(long, value_name = "PROVIDER/NAME[=WEIGHT]")]
    pub(crate) implementer_model: Vec<String>,
    /// Model that chooses between patches and draws lessons
    #[arg(long, value_name = "PROVIDER/NAME[=WEIGHT]")]
    pub(crate) judge_model: Vec<String>,
    /// Model that mends what failed when it ran
    #[arg(long, value_name = "PROVIDER/NAME[=WEIGHT]")]
    pub(crate) repairer_model: Vec<String>,
    /// Model that finds ideas that say the same in other words
    #[arg(long, value_name = "PROVIDER/NAME")]
    pub(crate) embedding_model: Option<String>,
    /// How one of several ideator models is chosen: by weight, or by improvement per dollar
    #[arg(long, value_enum, default_value_t = ChoiceOption::Weights)]
    pub(crate) ideator_choice: ChoiceOption,
    /// What ideas are made of: anything, or the catalogue's techniques, for models too weak to write code
    #[arg(long, value_enum, default_value_t = IdeasOption::Free)]
    pub(crate) ideas: IdeasOption,
    /// Patches written for each idea, at a time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) candidates: u32,
    /// How often a patch is revised that does not apply or fails when it is tried out
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=10))]
    pub(crate) revisions: u32,
    /// How often an idea is mended whose experiment did not compile, crashed, diverged or ran out of memory
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=10))]
    pub(crate) repairs: u32,
    /// Which of the patches that pass becomes the experiment
    #[arg(long, value_enum, default_value_t = SelectOption::First)]
    pub(crate) select: SelectOption,
    /// Remove what models were asked and said once the run is finished
    #[arg(long)]
    pub(crate) no_transcripts: bool,
    /// Settings of providers, models and prices [default: settings.yaml in the data directory, if it is there]
    #[arg(long, value_name = "FILE", env = "AUTORES_SETTINGS")]
    pub(crate) settings: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChoiceOption {
    Weights,
    Bandit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IdeasOption {
    Free,
    Catalogue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SelectOption {
    First,
    Surprisal,
    Smallest,
    Judge,
}

/// What a run may cost.
#[derive(Debug, Args)]
#[command(next_help_heading = "Budget")]
pub(crate) struct BudgetOptions {
    /// Stop when models were paid so many US dollars
    #[arg(long, value_name = "USD", value_parser = amount)]
    pub(crate) budget_usd: Option<f64>,
    /// Stop when models have read and written so many tokens
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) budget_tokens: Option<u64>,
    /// Stop when accelerators were held for so many hours; on the CPU, each slot counts as one
    #[arg(long, visible_alias = "budget-accelerator-hours", value_name = "HOURS", value_parser = amount)]
    pub(crate) budget_gpu_hours: Option<f64>,
}

fn amount(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(amount) if amount.is_finite() && amount > 0.0 => Ok(amount),
        Ok(_) | Err(_) => Err("expected a number above 0".into()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct ResumeOptions {
    /// The run
    pub(crate) run: String,
    /// Settings of providers, models and prices [default: the file that the run began with]
    #[arg(long, value_name = "FILE", env = "AUTORES_SETTINGS")]
    pub(crate) settings: Option<PathBuf>,
    /// Print events as JSON lines
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) budget: BudgetOptions,
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

#[derive(Debug, Args)]
pub(crate) struct LessonsOptions {
    /// The run
    pub(crate) run: String,
    /// Print JSON, which `autores run --lessons FILE` reads
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TranscriptsOptions {
    /// The run
    pub(crate) run: String,
    /// One call, as the list names it; without it, the list of all
    pub(crate) call: Option<String>,
    /// Print JSON: of one call its whole transcript, of all one line for each
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Models to ask [default: those that a run would use]
    #[arg(long, value_name = "PROVIDER/NAME")]
    pub(crate) model: Vec<String>,
    /// Settings of providers, models and prices [default: settings.yaml in the data directory, if it is there]
    #[arg(long, value_name = "FILE", env = "AUTORES_SETTINGS")]
    pub(crate) settings: Option<PathBuf>,
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

#[derive(Debug, Subcommand)]
pub(crate) enum PatchAction {
    /// Show what a model's reply would change, or why it would change nothing
    Check(PatchCheckOptions),
}

#[derive(Debug, Args)]
pub(crate) struct PatchCheckOptions {
    /// A file that holds a reply; - is standard input
    pub(crate) file: String,
    /// A built-in problem's name, or the path of a folder with a problem.yaml
    #[arg(long)]
    pub(crate) problem: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
