//! A gateway.

use std::time::Duration;

use keymoot_gateway::{Gateway, GatewayConfig, GatewayError, Limits};
use keymoot_wire::stop::stopped;
use keymoot_wire::tls::ClientCertificates;
use tokio::sync::watch;

use super::process::{Ground, Running};
use crate::config::Config;
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
    let (listen, limits) = (config.address("listen")?, limits(&config));
    let door = GatewayConfig { listen, client_certificates, document, identity, limits, metrics };
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

/// What an operator may set. Times are fixed: clients and coordinators go by them as well.
fn limits(config: &Config) -> Limits {
    let per_second = |name: &str| f64::from(u32::try_from(config.number(name)).unwrap_or(u32::MAX));
    Limits {
        body_bytes: config.number("body_bytes"),
        connections: config.number("connections"),
        client_connections: config.number("client_connections"),
        requests: config.number("requests"),
        client_requests: config.number("client_requests"),
        request_bytes: config.number("request_bytes"),
        client_request_bytes: config.number("client_request_bytes"),
        lists: config.number("lists"),
        client_lists: config.number("client_lists"),
        streams: config.number("streams"),
        client_streams: config.number("client_streams"),
        rate: per_second("rate"),
        burst: per_second("burst"),
        ..Limits::default()
    }
}

fn trouble(error: GatewayError) -> Failure {
    let (page, what) = match &error {
        GatewayError::NotAGateway => (CEREMONY_FOREIGN, "the gateway cannot start".to_owned()),
        GatewayError::Tls(_) => (START, "the gateway cannot start".to_owned()),
        GatewayError::Listen { address, .. } => (PORT_IN_USE, format!("{address} cannot be listened on")),
    };
    Trouble::new(page, what).undone("nothing was left running").because(error).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use keymoot_gateway::Limits;

    use super::limits;
    use crate::config::Config;

    fn with(lines: &str) -> Limits {
        let text = format!("cluster = \"test\"\nrole = \"gateway\"\nname = \"gateway-1\"\n{lines}");
        limits(&Config::parse(Path::new(""), &text, &BTreeMap::new()).unwrap())
    }

    #[test]
    fn what_nobody_sets_is_what_the_gateway_takes_itself() {
        assert_eq!(with(""), Limits::default());
    }

    #[test]
    fn every_limit_that_is_set_is_taken_up() {
        let names = [
            "connections",
            "client_connections",
            "requests",
            "client_requests",
            "rate",
            "burst",
            "body_bytes",
            "streams",
            "client_streams",
            "lists",
            "client_lists",
        ];
        let numbers = names.iter().enumerate().map(|(i, name)| format!("{name} = {}\n", 4100 + i));
        // Of lists there are fewer.
        let lines: String = numbers.map(|line| line.replace("lists = 4", "lists = ")).collect();
        let wanted = Limits {
            connections: 4100,
            client_connections: 4101,
            requests: 4102,
            client_requests: 4103,
            rate: 4104.0,
            burst: 4105.0,
            body_bytes: 4106,
            streams: 4107,
            client_streams: 4108,
            lists: 109,
            client_lists: 110,
            ..Limits::default()
        };
        assert_eq!(with(&lines), wanted);
        let bytes = with("request_bytes = 40000000\nclient_request_bytes = 20000000\n");
        assert_eq!((bytes.request_bytes, bytes.client_request_bytes), (40_000_000, 20_000_000));
    }
}
