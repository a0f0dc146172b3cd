//! What every [`Spill`] promises.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use penstock_shared::{
    aws::{ClientSettings, s3_client},
    spill::{Spill, SpillError, SpillKey, folder::FolderSpill, s3::S3Spill},
};
use penstock_testkit::emulator;
use tempfile::TempDir;

struct Opened {
    spill: Arc<dyn Spill>,
    _folder: Option<TempDir>,
}

fn folder_spill() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    // Neither of the two is there yet.
    Opened { spill: Arc::new(FolderSpill::new(folder.path().join("data/spill"))), _folder: Some(folder) }
}

fn s3_spill() -> Opened {
    let bucket = emulator().unique("spill");
    emulator().create_bucket(&bucket).unwrap();
    let client = s3_client(&crate::aws::config(), &ClientSettings::default());
    Opened {
        spill: Arc::new(S3Spill::new(client, &bucket, "bodies/", Duration::from_secs(30))),
        _folder: None,
    }
}

macro_rules! every_spill {
    ($($promise:ident),* $(,)?) => {
        mod folder {
            $(#[tokio::test] async fn $promise() { super::$promise(super::folder_spill()).await; })*
        }
        mod s3 {
            $(#[tokio::test] async fn $promise() { super::$promise(super::s3_spill()).await; })*
        }
    };
}

every_spill! {
    any_bytes_come_back_as_stored,
    trap_97_what_was_never_stored_is_missing,
    storing_again_replaces,
    a_deleted_body_is_missing_and_deleting_again_succeeds,
    a_body_of_twelve_mebibytes_comes_back,
    bodies_stored_together_stay_apart,
}

fn key(text: &str) -> SpillKey {
    SpillKey::new(text).unwrap()
}

async fn any_bytes_come_back_as_stored(Opened { spill, .. }: Opened) {
    for (name, body) in [
        ("us1/2026/a.json", Bytes::from_iter(0..=255u8)),
        ("b", Bytes::from_static(b"\0\r\n\xff")),
        ("empty", Bytes::new()),
    ] {
        spill.put(&key(name), body.clone()).await.unwrap();
        assert_eq!(spill.get(&key(name)).await.unwrap(), body, "{name}");
    }
}

async fn trap_97_what_was_never_stored_is_missing(Opened { spill, .. }: Opened) {
    assert!(matches!(spill.get(&key("us1/none")).await, Err(SpillError::Missing)));
    spill.delete(&key("us1/none")).await.unwrap();
}

async fn storing_again_replaces(Opened { spill, .. }: Opened) {
    let key = key("us1/same");
    for body in [&b"a long one"[..], b"short"] {
        spill.put(&key, Bytes::from_static(body)).await.unwrap();
    }
    assert_eq!(spill.get(&key).await.unwrap(), Bytes::from_static(b"short"));
}

async fn a_deleted_body_is_missing_and_deleting_again_succeeds(Opened { spill, .. }: Opened) {
    let (gone, kept) = (key("us1/gone"), key("us1/kept"));
    spill.put(&gone, Bytes::from_static(b"x")).await.unwrap();
    spill.put(&kept, Bytes::from_static(b"y")).await.unwrap();
    spill.delete(&gone).await.unwrap();
    spill.delete(&gone).await.unwrap();
    assert!(matches!(spill.get(&gone).await, Err(SpillError::Missing)));
    assert_eq!(spill.get(&kept).await.unwrap(), Bytes::from_static(b"y"));
}

async fn a_body_of_twelve_mebibytes_comes_back(Opened { spill, .. }: Opened) {
    let mut random = fastrand::Rng::with_seed(12);
    let body: Bytes = std::iter::repeat_with(|| random.u8(..)).take(12 * 1024 * 1024).collect();
    spill.put(&key("large"), body.clone()).await.unwrap();
    assert!(spill.get(&key("large")).await.unwrap() == body, "the body came back changed");
}

async fn bodies_stored_together_stay_apart(Opened { spill, .. }: Opened) {
    let names = ["a/1", "a/2", "a.1", "a-1", "b/1"].map(key);
    let puts = names.iter().map(|name| spill.put(name, Bytes::copy_from_slice(name.as_str().as_bytes())));
    futures::future::join_all(puts).await.into_iter().for_each(Result::unwrap);
    for name in &names {
        assert_eq!(spill.get(name).await.unwrap(), name.as_str().as_bytes());
    }
}
