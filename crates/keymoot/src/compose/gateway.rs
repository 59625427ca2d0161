//! A gateway.

use std::time::Duration;

use keymoot_gateway::{Gateway, GatewayConfig, GatewayError, Limits};
use keymoot_wire::stop::stopped;
use keymoot_wire::tls::ClientCertificates;
use tokio::sync::watch;

use super::process::{Ground, Running};
use crate::explain::{CEREMONY_FOREIGN, PORT_IN_USE, START};
use crate::failure::{Failure, Trouble};
use crate::local::Started;

/// How long requests that are in progress may take when the gateway stops.
const GRACE: Duration = Duration::from_secs(3);

/// Starts a gateway.
pub async fn start(ground: Ground) -> Result<Running, Failure> {
    let Ground { config, document, identity, metrics } = ground;
    let client_certificates = match config.text("client_certificates") {
        "optional" => ClientCertificates::Optional,
        _ => ClientCertificates::Required,
    };
    let listen = config.address("listen")?;
    let door =
        GatewayConfig { listen, client_certificates, document, identity, limits: Limits::default(), metrics };
    let mut gateway = Gateway::start(door).await.map_err(trouble)?;
    let listening = gateway.address().to_string();
    let (stop, mut stopping) = watch::channel(false);
    Ok(Running {
        started: Started { listening: Some(listening), health: None },
        stop: Box::new(move || {
            stop.send_replace(true);
        }),
        anchorage: None,
        end: Box::pin(async move {
            tokio::select! {
                () = stopped(&mut stopping) => {}
                _ = gateway.ended() => {
                    let what = "the gateway serves no more, though nobody has stopped it";
                    let help = "its log says why; whatever starts it should start it again";
                    return Err(Trouble::new(START, what).undone("no request is lost by it").help(help).into());
                }
            }
            gateway.stop(GRACE).await;
            Ok(())
        }),
    })
}

fn trouble(error: GatewayError) -> Failure {
    let (page, what) = match &error {
        GatewayError::NotAGateway => (CEREMONY_FOREIGN, "the gateway cannot start".to_owned()),
        GatewayError::Tls(_) => (START, "the gateway cannot start".to_owned()),
        GatewayError::Listen { address, .. } => (PORT_IN_USE, format!("{address} cannot be listened on")),
    };
    Trouble::new(page, what).undone("nothing was left running").because(error).into()
}
