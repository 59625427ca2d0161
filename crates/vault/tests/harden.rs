//! In a process of its own, because it changes what the process may do.

#[test]
fn no_core_file_is_written_of_a_process_with_secrets() {
    let hardened = keymoot_vault::process::harden();
    assert!(hardened.is_undumpable);
    let limits = std::fs::read_to_string("/proc/self/limits").expect("the limits of this process");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("one of core files");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    let status = std::fs::read_to_string("/proc/self/status").expect("the state of this process");
    let locked = status.lines().find(|line| line.starts_with("VmLck:")).expect("locked memory");
    let kilobytes: u64 =
        locked.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect(locked);
    assert_eq!(kilobytes > 0, hardened.is_locked, "what it says is so: {locked}");
}
