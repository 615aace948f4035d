//! Identities of an image's disk and partitions.

use crate::model::Sha256;

/// Identities of the partitions: the same for each bake of an image, so that two bakes differ in nothing but their content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identities {
    /// Of the disk.
    pub disk: String,
    /// Of the EFI system partition.
    pub esp: String,
    /// Of the root partition.
    pub root: String,
}

impl Identities {
    /// Those of the image of this name.
    #[must_use]
    pub fn of(image: &str) -> Self {
        let uuid = |part: &str| uuid(image, part);
        Self { disk: uuid("disk"), esp: uuid("esp"), root: uuid("root") }
    }
}

/// A UUID of version 8 (RFC 9562): the bits of a digest.
fn uuid(image: &str, part: &str) -> String {
    let digest = Sha256::of_parts([image, part]).to_string();
    format!("{}-{}-8{}-a{}-{}", &digest[0..8], &digest[8..12], &digest[13..16], &digest[17..20], &digest[20..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_stable_and_distinct() {
        let ids = Identities::of("debian-12-minimal");
        assert_eq!(ids, Identities::of("debian-12-minimal"));
        assert_ne!(ids.esp, ids.root);
        assert_ne!(ids, Identities::of("debian-12-ml"));
        assert_eq!(ids.root.len(), 36);
    }
}
