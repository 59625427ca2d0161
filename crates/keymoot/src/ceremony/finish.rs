//! `keymoot join --finish`: a member checks its admission against the authority that invited it, and keeps it.

use std::fs;
use std::path::Path;

use keymoot_wire::cluster::ClusterDocument;
use keymoot_wire::identity::{PeerId, PeerRole, spki_sha256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::papers::{Admission, read};
use crate::config::Config;
use crate::explain::{CEREMONY_FOREIGN, CEREMONY_UNVERIFIED, CLOCK};
use crate::failure::{Failure, Trouble};
use crate::place::{
    AUTHORITY, CERTIFICATE, CLUSTER, TLS_KEY, TLS_KEY_NEXT, io_trouble, read_secret, read_text, write_text,
};

/// Keeps an admission. Also for a newer document of the same cluster: then the old one is replaced.
pub fn finish(directory: &Path, path: &Path) -> Result<ClusterDocument, Failure> {
    let admission: Admission = read(path)?;
    let config = Config::read(directory)?;
    let (name, role) = (config.text("name"), config.text("role"));
    if admission.name != name || admission.role != role {
        let what = format!("the admission is for {}, and this is the directory of {name}", admission.name);
        return Err(Trouble::new(CEREMONY_FOREIGN, what).undone("nothing was changed").into());
    }
    let authority = read_text(&directory.join(AUTHORITY))?;
    let document = admission.cluster.verify(&authority).map_err(|error| {
        let what = "the cluster document is not signed by the authority that invited us";
        Trouble::new(CEREMONY_UNVERIFIED, what).undone("nothing was changed").because(error)
    })?;
    if document.cluster != config.text("cluster") {
        let what =
            format!("the document is of the cluster {}, not {}", document.cluster, config.text("cluster"));
        return Err(Trouble::new(CEREMONY_FOREIGN, what).undone("nothing was changed").into());
    }
    refuse_older(directory, &document)?;
    let key = check_certificate(&config, &admission, &document)?;
    let text = admission.cluster.to_text().map_err(Failure::bug("a signed document has no JSON"))?;
    if key == TLS_KEY_NEXT {
        // Whoever reads it before its certificate is there finds that they do not fit, and keeps what it has.
        let (next, place) = (directory.join(TLS_KEY_NEXT), directory.join(TLS_KEY));
        fs::rename(&next, &place).map_err(|error| io_trouble(&next, "cannot take its place", error))?;
    }
    write_text(&directory.join(CERTIFICATE), &admission.certificate)?;
    write_text(&directory.join(CLUSTER), &text)?;
    Ok(document)
}

/// An older document could have members who were thrown out.
fn refuse_older(directory: &Path, document: &ClusterDocument) -> Result<(), Failure> {
    if !directory.join(CLUSTER).exists() {
        return Ok(());
    }
    let there = crate::place::document(directory)?;
    if there.version <= document.version {
        return Ok(());
    }
    let what = format!(
        "this is version {} of the document, and version {} is here",
        document.version, there.version
    );
    Err(Trouble::new(CEREMONY_UNVERIFIED, what).undone("nothing was changed").into())
}

/// Returns the file of our key that the certificate is for: the one in use, or the one that waited for it.
fn check_certificate(
    config: &Config,
    admission: &Admission,
    document: &ClusterDocument,
) -> Result<&'static str, Failure> {
    let refused =
        |what: &str| Failure::from(Trouble::new(CEREMONY_UNVERIFIED, what).undone("nothing was changed"));
    let der = CertificateDer::from_pem_slice(admission.certificate.as_bytes())
        .map_err(|_| refused("the certificate in the admission is none"))?;
    let spki = spki_sha256(&der).map_err(|_| refused("the certificate in the admission has no key"))?;
    let id =
        PeerId::of_certificate(&der).map_err(|_| refused("the certificate in the admission names nobody"))?;
    let role: PeerRole = config.text("role").parse().map_err(|_| refused("the directory has no role"))?;
    if id.role() != role || id.name() != config.text("name") || id.cluster() != config.text("cluster") {
        return Err(refused("the certificate in the admission is for somebody else"));
    }
    let pins = document.pins(role, config.text("name")).unwrap_or_default();
    if !pins.iter().any(|pin| pin.0 == spki) {
        return Err(refused("the cluster document does not have the key of our certificate"));
    }
    let (_, certificate) = x509_parser::parse_x509_certificate(&der)
        .map_err(|_| refused("the certificate in the admission is none"))?;
    let mut key = TLS_KEY;
    let own = own_key(config, key)?.ok_or_else(|| refused("our own TLS key cannot be read"))?;
    if own != certificate.public_key().raw {
        key = TLS_KEY_NEXT;
        let is_there = config.directory().join(key).exists();
        let next = if is_there { own_key(config, key)? } else { None };
        if next.is_none_or(|next| next != certificate.public_key().raw) {
            return Err(refused("the certificate in the admission is for another key than ours"));
        }
    }
    if certificate.validity().not_before.timestamp()
        > i64::try_from(super::wall_ms() / 1000).unwrap_or(i64::MAX)
    {
        let what = "by this machine's clock the certificate is not valid yet";
        return Err(Trouble::new(CLOCK, what).undone("nothing was changed").into());
    }
    Ok(key)
}

/// The public side of one of our TLS keys, as certificates have it.
fn own_key(config: &Config, file: &str) -> Result<Option<Vec<u8>>, Failure> {
    let pem = read_secret(&config.directory().join(file))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).ok();
    let key = key.and_then(|key| rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).ok());
    Ok(key.and_then(|key| key.public_key().map(|public| public.as_ref().to_vec())))
}
