//! Certificates: who they name, what they are for, and what the authority refuses.

use keymoot_wire::authority::{Authority, AuthorityError, TlsKey, Validity};
use keymoot_wire::identity::{PeerId, PeerRole, certificate_sha256, spki_sha256};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::scene::{CLUSTER, must_id};

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

#[test]
fn a_certificate_names_one_process_and_its_key() {
    let authority = Authority::create(CLUSTER).expect("an authority");
    let (id, key) = (must_id(PeerRole::Node, "node-1"), TlsKey::create().expect("a key"));
    let names = ["10.1.2.3".to_owned(), "node-1.example.org".to_owned(), "localhost".to_owned()];
    let pem = authority.issue(key.csr_pem(), &id, &names, Validity::days(30)).expect("a certificate");
    assert_eq!(PeerId::of_certificate(&der(&pem)), Ok(id));
    assert_eq!(spki_sha256(&der(&pem)).as_ref(), Ok(key.spki_sha256()));
}

#[test]
fn a_renewed_certificate_keeps_name_key_and_addresses() {
    let authority = Authority::create(CLUSTER).expect("an authority");
    let (id, key) = (must_id(PeerRole::Gateway, "gateway-1"), TlsKey::create().expect("a key"));
    let names = ["2001:db8::1".to_owned(), "gateway.example.org".to_owned()];
    let old = authority.issue(key.csr_pem(), &id, &names, Validity::days(1)).expect("a certificate");
    let new = authority.renew(&old, Validity::days(2)).expect("a certificate");
    let (old, new) = (der(&old), der(&new));
    assert_ne!(certificate_sha256(&old), certificate_sha256(&new));
    assert_eq!(PeerId::of_certificate(&new), Ok(id));
    assert_eq!(spki_sha256(&new), spki_sha256(&old));
    let (_, old) = x509_parser::parse_x509_certificate(&old).expect("a certificate");
    let (_, new) = x509_parser::parse_x509_certificate(&new).expect("a certificate");
    assert_ne!(old.raw_serial(), new.raw_serial());
    let names = |certificate: &x509_parser::prelude::X509Certificate<'_>| {
        let names = certificate.subject_alternative_name().expect("readable").expect("names");
        names.value.general_names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(&old), names(&new));
    assert_eq!(names(&new).len(), 6);
}

#[test]
fn an_authority_that_was_stored_is_the_same_again() {
    let authority = Authority::create(CLUSTER).expect("an authority");
    let again = Authority::load(authority.certificate_pem(), &authority.key_pem()).expect("the same");
    assert_eq!(again.cluster(), CLUSTER);
    let (id, key) = (must_id(PeerRole::Node, "node-1"), TlsKey::create().expect("a key"));
    let pem = again.issue(key.csr_pem(), &id, &[], Validity::days(1)).expect("a certificate");
    assert!(authority.renew(&pem, Validity::days(1)).is_ok());
}

#[test]
fn an_authority_refuses_what_is_not_its_own() {
    let authority = Authority::create(CLUSTER).expect("an authority");
    let other = Authority::create(CLUSTER).expect("an authority");
    let key = TlsKey::create().expect("a key");
    assert!(matches!(
        Authority::load(authority.certificate_pem(), &other.key_pem()),
        Err(AuthorityError::KeyMismatch)
    ));
    let foreign = PeerId::new("elsewhere", PeerRole::Node, "node-1").expect("a proper name");
    assert!(matches!(
        authority.issue(key.csr_pem(), &foreign, &[], Validity::days(1)),
        Err(AuthorityError::OtherCluster(_))
    ));
    let id = must_id(PeerRole::Node, "node-1");
    let pem = authority.issue(key.csr_pem(), &id, &[], Validity::days(1)).expect("a certificate");
    assert!(matches!(other.renew(&pem, Validity::days(1)), Err(AuthorityError::OtherAuthority)));
    // The certificate of a process is no authority, whoever has its key.
    assert!(Authority::load(&pem, key.key_pem()).is_err());
}

#[test]
fn an_authority_refuses_bad_requests_names_and_times() {
    let authority = Authority::create(CLUSTER).expect("an authority");
    let (id, key) = (must_id(PeerRole::Node, "node-1"), TlsKey::create().expect("a key"));
    for csr in ["", "nonsense", authority.certificate_pem()] {
        assert!(authority.issue(csr, &id, &[], Validity::days(1)).is_err());
    }
    let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let csr = rcgen::CertificateParams::default().serialize_request(&ed25519).expect("a request");
    let csr = csr.pem().expect("PEM");
    assert!(matches!(authority.issue(&csr, &id, &[], Validity::days(1)), Err(AuthorityError::NotP256)));
    for name in ["", "a b", "*.example.org", "ex_ample", "https://x", "é.example"] {
        let issued = authority.issue(key.csr_pem(), &id, &[name.to_owned()], Validity::days(1));
        assert!(matches!(issued, Err(AuthorityError::Name(_))), "{name}");
    }
    let now = std::time::SystemTime::now();
    let issued = authority.issue(key.csr_pem(), &id, &[], Validity::between(now, now));
    assert!(matches!(issued, Err(AuthorityError::Validity)));
    assert!(Authority::create("Not A Name").is_err());
}
