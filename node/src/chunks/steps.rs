//! The steps of the store's writing, as places where a crash can be played in tests.

/// A moment between two things that reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    PackHeaderWritten,
    PackNamed,
    FrameHeaderWritten,
    FrameWritten,
    PackSynced,
    IndexCommitted,
    GarbageForgotten,
    PacksDoomed,
    PackRemoved,
    TailIndexed,
    IndexBuilt,
    IndexSwapped,
}

/// Called at every step, in tests only.
#[cfg(test)]
#[derive(Clone)]
pub(crate) struct StepHook(pub(crate) std::sync::Arc<dyn Fn(Step) + Send + Sync>);

#[cfg(test)]
impl std::fmt::Debug for StepHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StepHook")
    }
}

/// Reports the steps to the hook, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    #[cfg(test)]
    hook: Option<StepHook>,
}

impl Steps {
    #[cfg_attr(not(test), expect(unused_variables, clippy::missing_const_for_fn))]
    pub(super) fn of(options: &super::StoreOptions) -> Self {
        Self {
            #[cfg(test)]
            hook: options.on_step.clone(),
        }
    }

    #[cfg_attr(not(test), expect(unused_variables, clippy::unused_self))]
    pub(super) fn reached(&self, step: Step) {
        #[cfg(test)]
        if let Some(hook) = &self.hook {
            (hook.0)(step);
        }
    }
}
