//! What can be typed after `keymoot`. The arguments of each command stand beside it, in `commands`.

use clap::{Parser, Subcommand};

use crate::commands::{
    admit, bench, completions, config, context, debug, demo, doctor, eth, explain, health, hwi, init, join,
    key, lab, man, node, request, revoke, run, session, sign, token, up, verify,
};

/// Said below every help.
pub const EXIT_CODES: &str = "\
Exit codes:
  0   everything was done; a refusal that the lab plans and shows is part of that
  2   the command line, a file or the configuration makes no sense; nothing was started
  3   denied: by a policy, a role, a passphrase or a signature that does not verify
  4   not finished yet; ask again
  5   somebody who is needed cannot be reached
  6   it stands against what is there already
  70  a defect of keymoot: a run ended early or a signature did not verify
  74  this machine gave no randomness, room or port, or took no output";

/// Threshold signing: several parties hold one key together, and nobody ever holds all of it.
#[derive(Parser)]
#[command(name = "keymoot", version, after_help = EXIT_CODES, max_term_width = 80)]
pub struct Cli {
    /// Which cluster, and as whom: the name of a context, or the directory of a client.
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,

    /// Print JSON, one object a line, as the files in crates/keymoot/schema describe it.
    #[arg(long, global = true)]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Demo(demo::DemoArgs),
    Up(up::UpArgs),
    Lab(lab::LabArgs),
    /// Create, list and look at keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    Sign(sign::SignArgs),
    Eth(eth::EthArgs),
    Hwi(hwi::HwiArgs),
    Verify(verify::VerifyArgs),
    /// Look at what was asked for: what is pending, what came of it, until when it is good.
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// Look at what is going on.
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Look at nodes; kill and start those of `demo` and `up`.
    #[command(subcommand)]
    Node(node::NodeCommand),
    Health(health::HealthArgs),
    /// Look for what is wrong, or will be soon: clocks, certificates, documents, disks, stocks, versions.
    Doctor,
    Bench(bench::BenchArgs),
    Init(init::InitArgs),
    Join(join::JoinArgs),
    Admit(admit::AdmitArgs),
    Revoke(revoke::RevokeArgs),
    Run(run::RunArgs),
    /// Check and show the configuration of a process.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Choose which cluster commands talk to.
    #[command(subcommand)]
    Context(context::ContextCommand),
    Token(token::TokenArgs),
    Explain(explain::ExplainArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    /// Tools for whoever looks for a cause.
    #[command(subcommand)]
    Debug(debug::DebugCommand),
}

impl Command {
    /// Whether it prints a page and does nothing: that helps also where the environment is wrong.
    const fn only_prints(&self) -> bool {
        matches!(
            self,
            Self::Explain(_)
                | Self::Completions(_)
                | Self::Man(_)
                | Self::Config(config::ConfigCommand::Reference)
        )
    }
}

/// What holds for all commands.
pub struct Given {
    /// `--context`.
    pub context: Option<String>,
    /// `--json`.
    pub json: bool,
}

/// Runs a command.
pub fn dispatch(cli: Cli) -> Result<(), crate::failure::Failure> {
    let given = Given { context: cli.context, json: cli.json };
    if !cli.command.only_prints() {
        crate::config::check_environment()?;
    }
    match cli.command {
        Command::Demo(args) => demo::run(&given, &args),
        Command::Up(args) => up::run(&given, &args),
        Command::Lab(args) => lab::run(&given, &args),
        Command::Key(command) => key::run(&given, &command),
        Command::Sign(args) => sign::run(&given, &args),
        Command::Eth(args) => eth::run(&given, &args),
        Command::Hwi(args) => hwi::run(&given, &args),
        Command::Verify(args) => verify::run(&given, &args),
        Command::Request(command) => request::run(&given, &command),
        Command::Session(command) => session::run(&given, &command),
        Command::Node(command) => node::run(&given, &command),
        Command::Health(args) => health::run(&given, &args),
        Command::Doctor => doctor::run(&given),
        Command::Bench(args) => bench::run(&given, &args),
        Command::Init(args) => init::run(&given, &args),
        Command::Join(args) => join::run(&given, &args),
        Command::Admit(args) => admit::run(&given, &args),
        Command::Revoke(args) => revoke::run(&given, &args),
        Command::Run(args) => run::run(&given, &args),
        Command::Config(command) => config::run(&given, &command),
        Command::Context(command) => context::run(&given, &command),
        Command::Token(args) => token::run(&given, &args),
        Command::Explain(args) => explain::run(&given, &args),
        Command::Completions(args) => completions::run(&given, &args),
        Command::Man(args) => man::run(&given, &args),
        Command::Debug(command) => debug::run(&given, &command),
    }
}
