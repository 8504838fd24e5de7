//! The program: gets the process ready, then does what the command line says.

use std::{path::PathBuf, process::ExitCode};

use node::{
    cli::{self, AgentConfig, Programs},
    config::Config,
};

/// glibc's allocator costs a quarter of the network's throughput and keeps what it frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Err(error) = cli::before_threads() {
        eprintln!("error: cannot start without SSLKEYLOGFILE: {error}");
        eprintln!("hint: unset SSLKEYLOGFILE");
        return ExitCode::FAILURE;
    }
    cli::run(&Programs { serve, agent, demo })
}

fn serve(config: Config) -> anyhow::Result<()> {
    Ok(cli::network_runtime()?.block_on(node::daemon::serve(config))?)
}

fn agent(config: AgentConfig) -> anyhow::Result<()> {
    let user = node::agent::user_id(&config.user)?;
    let listener = node::agent::bind(&config.listen, user)?;
    let agent: std::sync::Arc<dyn node::agent::Agent> =
        std::sync::Arc::new(node::agent::LocalAgent::new(config.archives));
    Ok(node::agent::serve(&listener, user, &agent)?)
}

fn demo(dir: Option<PathBuf>) -> anyhow::Result<()> {
    node::demo::run(dir.as_deref())
}
