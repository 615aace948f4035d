//! Programs that cannot be started at once, because somebody is still writing them.

use std::io;
use std::time::{Duration, Instant};

/// How long a program may be open for writing when it is to be started, and between two tries.
const BUSY: Duration = Duration::from_secs(10);
const BREATH: Duration = Duration::from_millis(10);

/// Starts a program. One that is open for writing cannot be started (`ETXTBSY`, execve(2)): another run may just be putting it there, or a program
/// that was started at that instant may hold what this one wrote. Neither takes long.
pub(super) fn when_free<T>(mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let end = Instant::now() + BUSY;
    loop {
        match start() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < end => std::thread::sleep(BREATH),
            result => return result,
        }
    }
}
