//! The flags of the roles.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use crate::setup::ConfigArgs;

/// Flags of the roles. Each is also a setting: of the file, and of the environment, where the settings look themselves, as
/// an empty variable is none for them.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ServiceArgs {
    /// The integration: routes, limits, credentials, registration [also PENSTOCK_PARTNER].
    #[arg(long, value_name = "FILE")]
    pub(crate) partner: Option<PathBuf>,

    /// Where mParticle's calls arrive [default: 0.0.0.0:8080; also PENSTOCK_INGRESS_LISTEN].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,

    /// Where /healthz, /readyz and /metrics are answered [default: 127.0.0.1:9090; also PENSTOCK_ADMIN].
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin: Option<SocketAddr>,

    /// Folder of the embedded queue and store [default: penstock-data; also PENSTOCK_DATA_DIR].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// What packs are kept in [default: embedded; also PENSTOCK_QUEUE] [possible values: embedded, sqs].
    #[arg(long, value_name = "KIND")]
    pub(crate) queue: Option<String>,

    /// What subscriptions are kept in [default: embedded; also PENSTOCK_STORE] [possible values: embedded, dynamodb].
    #[arg(long, value_name = "KIND")]
    pub(crate) store: Option<String>,

    /// Accept data from anyone. Without it, and without tokens (PENSTOCK_TOKENS, _FILE, _SECRET), data is answered 503.
    #[arg(long)]
    pub(crate) no_auth: bool,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

impl ServiceArgs {
    pub(crate) fn flags(&self) -> BTreeMap<String, String> {
        let mut flags = BTreeMap::new();
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                flags.insert(name.to_owned(), value);
            }
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        set("partner", path(&self.partner));
        set("ingress.listen", self.listen.map(|address| address.to_string()));
        set("admin", self.admin.map(|address| address.to_string()));
        set("data_dir", path(&self.data_dir));
        set("queue", self.queue.clone());
        set("store", self.store.clone());
        set("no_auth", self.no_auth.then(|| "true".to_owned()));
        flags
    }
}
