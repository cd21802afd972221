//! Real stores in temporary folders.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use autores_domain::RunId;
use autores_results::{Options, Store, StoreError, store_path};
use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, Connection as _};

/// A clock that ticks each time it is looked at.
pub(crate) fn clock() -> impl Fn() -> i64 + Send + Sync + 'static {
    let now = AtomicI64::new(1_000);
    move || now.fetch_add(1, Ordering::Relaxed)
}

pub(crate) async fn open(home: &Path) -> Result<Store, StoreError> {
    Store::open(&store_path(home), clock()).await
}

pub(crate) async fn open_with(home: &Path, options: Options) -> Result<Store, StoreError> {
    Store::open_with(&store_path(home), clock(), options).await
}

pub(crate) fn run_id(name: &str) -> RunId {
    name.parse().unwrap()
}

/// A connection of somebody else's.
pub(crate) async fn stranger(home: &Path) -> AnyConnection {
    install_default_drivers();
    let path = store_path(home);
    AnyConnection::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.unwrap()
}
