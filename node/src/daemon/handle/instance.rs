//! Instances: adding, looking, running their jobs.

use std::sync::Arc;

use protocol::{
    control::{
        Failure, FailureCode, InstanceAdd, InstanceJob, InstanceReport, InstanceRun,
        InstanceRunStarted, SshAdd,
    },
    job::Name,
};

use crate::daemon::{
    instances::{self, failed},
    node::{Node, blocking},
};

/// Adds an instance and asks it how it is. That it does not answer yet is no reason to refuse it.
pub(super) async fn add(node: Arc<Node>, add: InstanceAdd) -> Result<InstanceReport, Failure> {
    let added = blocking({
        let node = Arc::clone(&node);
        move || {
            node.instances.may_add(&add)?;
            let what = format!("cannot add instance {}", add.name);
            let data = node.data.path();
            let look = |ssh: &SshAdd| instances::look(data, &node.name, ssh, &what);
            let ssh = add.ssh.as_ref().map(look).transpose()?;
            node.instances.add(&node.secret, &add, ssh)
        }
    })
    .await?;
    // How it went is in the report.
    let _ = instances::poll(&node, added.number, true).await;
    Ok(node.instances.numbered(added.number).unwrap_or(added))
}

/// Forgets an instance, unless something is on its way to it.
pub(super) async fn remove(node: Arc<Node>, wanted: Name) -> Result<(), Failure> {
    let instance = node.instances.find(&wanted)?;
    if let Some(transfer) = node.transfers.open_to(instance.number) {
        let what = format!("cannot remove instance {}", instance.name);
        let why = format!("transfer {transfer} to it has not ended");
        return Err(Failure::new(FailureCode::Conflict, what, why)
            .hint(format!("`backupmanager transfer cancel {transfer}` stops it")));
    }
    blocking(move || node.instances.remove(&instance)).await
}

/// Has an instance run one of its jobs.
pub(super) async fn run(
    node: Arc<Node>,
    wanted: InstanceRun,
) -> Result<InstanceRunStarted, Failure> {
    let instance = node.instances.find(&wanted.instance)?;
    let what = format!("cannot run job {} of instance {}", wanted.job, instance.name);
    let mut job = named(&instance, &wanted.job);
    if job.is_none() {
        let asked = instances::poll(&node, instance.number, true).await;
        if let Err(Some(error)) = asked {
            return Err(failed(&what, &error));
        }
        let fresh = node.instances.numbered(instance.number);
        job = fresh.and_then(|instance| named(&instance, &wanted.job));
    }
    let Some(job) = job else {
        return Err(Failure::new(FailureCode::NotFound, what, "it has no such job")
            .hint(format!("`backupmanager instance jobs {}` shows its jobs", instance.name)));
    };
    let client = node.instances.client(&node.secret, instance.number)?;
    let started = client.run(job.number).await;
    // Whether it ran or not, it is known better now how the instance is.
    let _ = instances::poll(&node, instance.number, started.is_ok()).await;
    let started = started.map_err(|error| failed(&what, &error))?;
    Ok(InstanceRunStarted { instance: instance.name, job: job.name, run: started.run })
}

fn named(instance: &InstanceReport, wanted: &str) -> Option<InstanceJob> {
    let named = instance.jobs.iter().find(|job| job.name == wanted);
    let number = || instance.jobs.iter().find(|job| Some(job.number) == wanted.parse().ok());
    named.or_else(number).cloned()
}
