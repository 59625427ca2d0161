//! Parameters for tests. This file is empty in a build without debug assertions, whatever its features.
#![cfg(all(feature = "small-parameters", debug_assertions))]

use super::{Lengths, is_sound};

pub(super) const SMALL: Lengths = Lengths { modulus: 1024, mask: 640, slack: 224 };

const _: () = assert!(is_sound(&SMALL, 96), "small moduli, but nothing wraps around");
