//! Who may talk to whom: TLS 1.3 with certificates on both sides. A certificate counts if the cluster's authority issued
//! it, it is of its time, it names a process of the cluster, and the cluster document pins its key for just that process.
//! An authority alone is not enough; neither is a name in the DNS.
//!
//! Nothing is resumed on either side: a resumed session would replay the identity of an old certificate.

mod accept;
mod configs;
mod credentials;
mod dial;
mod identity;
mod incoming;
mod peer;
mod refusal;
mod verify;

use crate::identity::IdentityError;

pub use accept::{Accepted, Acceptor};
pub use configs::{ClientCertificates, Serving, client_config, server_config};
pub use credentials::{CredentialFiles, Credentials};
pub use dial::{Link, dial};
pub use identity::Identity;
pub use incoming::{Incoming, PeerStream};
pub use peer::{Peer, admit};
pub use refusal::{TlsRefusal, refusal_of, refusal_of_io};

/// Why TLS cannot be set up here. Of a peer's fault there is [`TlsRefusal`].
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A file does not hold what it must.
    #[error("the {what} is not valid PEM")]
    Pem {
        /// Which file.
        what: &'static str,
    },
    /// The certificate is nobody's identity, or the authority's is none.
    #[error("the certificate is nobody's identity")]
    Identity(#[source] IdentityError),
    /// Our own certificate would be refused by everybody.
    #[error("our own certificate would be refused")]
    Own(#[source] TlsRefusal),
    /// The key is not the certificate's, or of a kind that is not used.
    #[error("the key does not fit the certificate")]
    Key(#[source] rustls::Error),
    /// A new certificate is of somebody else.
    #[error("the new certificate is of {new}, but this is {old}")]
    OtherIdentity {
        /// Who this process is.
        old: crate::identity::PeerId,
        /// Who it would become.
        new: crate::identity::PeerId,
    },
    /// These credentials are not from files.
    #[error("these credentials are not from files, so they cannot be read again")]
    NoFiles,
    /// The library refused the configuration.
    #[error("TLS cannot be configured")]
    Configuration(#[source] rustls::Error),
    /// Not `https://host:port`.
    #[error("`{0}` is not an address of the form https://host:port")]
    Address(String),
}
