//! Numbers as by chance, the same ones each time; `FITOUT_FUZZ_SEED` asks for others.

/// A small generator (xorshift64*).
pub struct Numbers(u64);

impl Numbers {
    /// From the usual beginning, or the one that is asked for.
    pub fn new() -> Self {
        let seed = std::env::var("FITOUT_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
        Self(seed.unwrap_or(0x5EED).max(1))
    }

    /// From 0 up to, not including, an end.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % end.max(1)
    }

    /// From 0 to 1.
    pub fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(1_000_000)).unwrap()) / 1e6
    }
}
