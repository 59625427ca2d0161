//! The audit sink on a real file.

use std::sync::Arc;

use keymoot_adapters::{FileAudit, OpenError};
use keymoot_ports::conformance::{Room, audit};
use keymoot_ports::{AuditSink, Fault, Ttl};
use keymoot_types::Millis;

use crate::room::{Folders, ttl};

struct FileRoom(Folders);

impl Room for FileRoom {
    type Port = dyn AuditSink;

    async fn fresh(&mut self) -> Arc<dyn AuditSink> {
        Arc::new(FileAudit::open(&self.0.fresh()).unwrap())
    }

    async fn reopen(&mut self) -> Arc<dyn AuditSink> {
        Arc::new(FileAudit::open(&self.0.path()).unwrap())
    }

    async fn advance(&mut self, _: Millis) {}

    fn ttl(&self) -> Ttl {
        ttl()
    }
}

#[tokio::test]
async fn an_audit_sink_passes_its_exam() {
    audit::sit(&mut FileRoom(Folders::new("audit"))).await.unwrap();
}

#[tokio::test]
async fn an_audit_sink_is_for_one_process_and_notices_damage() {
    let mut folders = Folders::new("audit");
    let path = folders.fresh();
    let sink = FileAudit::open(&path).unwrap();
    assert!(matches!(FileAudit::open(&path), Err(OpenError::InUse { .. })));
    for index in 0..3 {
        sink.append(index, b"entry").await.unwrap();
    }
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(sink.append(1, b"entry").await, Err(Fault::Corrupt { .. })));
    drop(sink);
    let sink = FileAudit::open(&path).unwrap();
    assert!(matches!(sink.head().await, Err(Fault::Corrupt { what: "the audit log", .. })));
}
