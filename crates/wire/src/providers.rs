//! The cryptography that rustls and jsonwebtoken use: aws-lc, chosen once for the whole process.

/// Makes aws-lc the provider of TLS and of tokens. The binary calls it first of all: with several providers linked in,
/// the libraries would not choose but panic at first use. To call it again changes nothing.
pub fn install_providers() {
    // Both give the provider back where one is installed already. That is ours too: nobody else installs any.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
