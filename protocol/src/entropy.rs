//! The random source, as an argument.

/// A source of random bytes.
///
/// The shell passes the operating system's; tests and the simulator pass [`SeededEntropy`].
pub trait Entropy {
    /// Fills `out` with random bytes.
    fn fill(&mut self, out: &mut [u8]);

    /// A random array.
    fn array<const N: usize>(&mut self) -> [u8; N]
    where
        Self: Sized,
    {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }
}

/// Bytes that follow from a seed alone: the same seed gives the same run.
#[derive(Clone, Debug)]
pub struct SeededEntropy(blake3::OutputReader);

impl SeededEntropy {
    /// The source that belongs to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("backupmanager seeded entropy v1");
        hasher.update(&seed.to_le_bytes());
        Self(hasher.finalize_xof())
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.fill(out);
    }
}
