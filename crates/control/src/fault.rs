//! Why a coordinator does not start, or ends.

/// A coordinator cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ControlFault {
    /// The cluster document does not have this coordinator, or something in it cannot be.
    #[error("the cluster document does not fit this coordinator: {0}")]
    Document(&'static str),
    /// The cluster document lists members or clients that nobody can work with.
    #[error("the cluster document cannot be worked with")]
    Roster(#[from] keymoot_engine::roster::RosterError),
    /// TLS cannot be configured.
    #[error("the service cannot be protected by TLS")]
    Tls(#[from] keymoot_wire::tls::TlsError),
    /// The address cannot be listened on.
    #[error("the service cannot listen")]
    Listen(#[source] std::io::Error),
    /// The service has ended by itself.
    #[error("the service has ended")]
    Serve(#[source] tonic::transport::Error),
    /// The description of the interface cannot be served.
    #[error("the interface cannot be described")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// A bound in the configuration cannot be.
    #[error("a limit is out of bounds: {0}")]
    Limit(&'static str),
    /// A defect of this program.
    #[error("a task of the coordinator has died")]
    Died,
}
