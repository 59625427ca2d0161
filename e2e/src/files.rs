//! Small things about files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Closes a file to everybody but its owner.
///
/// # Errors
/// The system says no.
pub fn owner_only(path: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Opens a file to everybody.
///
/// # Errors
/// The system says no.
pub fn open_to_all(path: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}
