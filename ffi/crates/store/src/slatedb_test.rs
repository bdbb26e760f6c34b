//! The engine with our log below it, on a disk and on one that fails.

use std::io::ErrorKind;

use k3ts_proto::v1::{StoreFenced, StoreFull};
use slatedb::wal::WalGc;

use super::*;
use crate::folder::Folders;
use crate::log::simulated::{Fault, SimulatedDisk};

fn put(key: &str, value: &str) -> Vec<Operation> {
    let (key, value) = (key.to_owned().into(), value.to_owned().into());
    vec![Operation::Put { key, value }]
}

async fn all(engine: &(impl DbReadOps + Sync)) -> String {
    let mut rows = engine.scan(..).await.unwrap();
    let mut all = String::new();
    while let Some(row) = rows.next().await.unwrap() {
        all += std::str::from_utf8(&[&row.key[..], b"=", &row.value[..], b" "].concat()).unwrap();
    }
    all
}

async fn seen_by_reader(path: &Path) -> String {
    let reader = open_reader(path).await.unwrap();
    let seen = all(&reader).await;
    reader.close().await.unwrap();
    seen
}

/// As the program before wrote it, without this log.
async fn write_without_log(path: &Path, rows: &[(&str, &str)]) {
    let db = builder(path).unwrap().build().await.unwrap();
    for (key, value) in rows {
        db.put(key.as_bytes(), value.as_bytes()).await.unwrap();
        let flush = FlushOptions {
            flush_type: FlushType::Wal,
        };
        db.flush_with_options(flush).await.unwrap();
    }
    let options = CloseOptions::default().with_flush_type(Some(FlushType::Wal));
    db.close_with_options(options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_with_the_engines_own_log_goes_on_with_ours_and_is_closed_to_who_does_not_know_it() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folders::default().hold(place.path()).unwrap();
    write_without_log(&folder.path, &[("a", "1"), ("b", "2")]).await;
    assert_eq!(seen_by_reader(&folder.path).await, "a=1 b=2 ");

    let engine = SlateDb::open(&folder).await.unwrap();
    assert_eq!(all(&engine.db).await, "a=1 b=2 ");
    engine.commit(vec![put("b", "3"), put("c", "4")]).await.unwrap();
    assert_eq!(seen_by_reader(&folder.path).await, "a=1 b=3 c=4 ");
    engine.close().await.unwrap();

    let refusal = builder(&folder.path).unwrap().build().await.err().unwrap();
    assert!(refusal.to_string().contains("Not a directory"), "{refusal}");
    let engine = SlateDb::open(&folder).await.unwrap();
    assert_eq!(all(&engine.db).await, "a=1 b=3 c=4 ");
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_log_that_was_cut_short_is_made_again() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folders::default().hold(place.path()).unwrap();
    write_without_log(&folder.path, &[("a", "1")]).await;
    // Opened and closed: numbers are used up by which nothing was written.
    write_without_log(&folder.path, &[]).await;
    let engine = folder.path.join(NAME);
    std::fs::write(engine.join("wal.coming"), "half").unwrap();
    std::fs::rename(engine.join("wal"), engine.join("wal.leaving")).unwrap();
    for expected in ["a=1 ", "a=1 b=2 "] {
        let engine = SlateDb::open(&folder).await.unwrap();
        assert_eq!(all(&engine.db).await, expected);
        engine.commit(vec![put("b", "2")]).await.unwrap();
        engine.close().await.unwrap();
        // As if it had been cut short at the very end.
        std::fs::create_dir(folder.path.join(NAME).join("wal.leaving")).unwrap();
    }
    SlateDb::open(&folder).await.unwrap().close().await.unwrap();
    assert!(!engine.join("wal.leaving").exists() && !engine.join("wal.coming").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_from_before_that_came_in_the_middle_of_the_change_does_not_prevent_it() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folders::default().hold(place.path()).unwrap();
    write_without_log(&folder.path, &[("a", "1")]).await;
    SlateDb::open(&folder).await.unwrap().close().await.unwrap();
    // As it was between two steps: what is on its way out is in tables.
    let engine = folder.path.join(NAME);
    std::fs::rename(engine.join("wal"), engine.join("wal.coming")).unwrap();
    std::fs::create_dir(engine.join("wal.leaving")).unwrap();
    std::fs::write(engine.join("wal.leaving/00000000000000000001.sst"), "").unwrap();
    write_without_log(&folder.path, &[("b", "2")]).await;
    assert!(engine.join("wal").is_dir());
    let opened = SlateDb::open(&folder).await.unwrap();
    assert_eq!(all(&opened.db).await, "a=1 b=2 ");
    opened.close().await.unwrap();
    assert!(engine.join("wal").is_file() && !engine.join("wal.leaving").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_not_spoken_of_keeps_the_store_closed_and_says_why() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folders::default().hold(place.path()).unwrap();
    let engine = SlateDb::open(&folder).await.unwrap();
    engine.commit(vec![put("a", "1")]).await.unwrap();
    engine.close().await.unwrap();
    let marker = folder.path.join(NAME).join("wal");
    let away = folder.path.join("away");
    std::fs::rename(&marker, &away).unwrap();
    for error in [
        SlateDb::open(&folder).await.err().unwrap(),
        probe(&folder.path).await.unwrap_err(),
    ] {
        assert_eq!(error.code, Code::DataLoss);
        let message = &error.message;
        assert!(message.contains(place.path().to_str().unwrap()), "{message}");
        assert!(message.contains("db/wal must say"), "{message}");
        assert!(message.contains("move log/ away"), "{message}");
    }
    assert!(!marker.exists());
    std::fs::write(
        &marker,
        "The newest writes of this store are in ../log, from number 1\n",
    )
    .unwrap();
    let of_version_1 = SlateDb::open(&folder).await.err().unwrap();
    assert!(of_version_1.message.contains("version 2"), "{of_version_1}");
    std::fs::rename(&away, &marker).unwrap();
    let engine = SlateDb::open(&folder).await.unwrap();
    assert_eq!(all(&engine.db).await, "a=1 ");
    engine.close().await.unwrap();

    // As the message says.
    std::fs::remove_file(&marker).unwrap();
    std::fs::rename(folder.path.join(log_place::FOLDER), away).unwrap();
    for expected in ["", "b=2 "] {
        let engine = SlateDb::open(&folder).await.unwrap();
        assert_eq!(all(&engine.db).await, expected);
        engine.commit(vec![put("b", "2")]).await.unwrap();
        engine.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_come_at_once_end_each_other_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folders::default().hold(place.path()).unwrap();
    SlateDb::open(&folder).await.unwrap().close().await.unwrap();
    for _ in 0..16 {
        let (one, other) = tokio::join!(SlateDb::open(&folder), SlateDb::open(&folder));
        let mut working = 0;
        for outcome in [one, other] {
            let written = match &outcome {
                Ok(engine) => engine.commit(vec![put("a", "1")]).await,
                Err(error) => Err(error.clone()),
            };
            match written {
                Ok(()) => working += 1,
                // It has another writer's coming for its end, or is closed by then.
                Err(error) => assert!(
                    error.detail::<StoreFenced>().is_some() || error.code == Code::Unavailable,
                    "{error:?}"
                ),
            }
        }
        // None where one came to write last and the other to compact, which the engine fences by itself.
        assert!(working <= 1);
    }
    let engine = SlateDb::open(&folder).await.unwrap();
    engine.commit(vec![put("a", "2")]).await.unwrap();
    assert_eq!(all(&engine.db).await, "a=2 ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_the_writer_and_the_next_has_all_that_was_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folders::default().hold(place.path()).unwrap();
    log_place::begin(&folder.path, 1).unwrap();
    let disk = SimulatedDisk::new(1);
    let mut expected = String::new();
    for (round, kind) in [ErrorKind::StorageFull, ErrorKind::Other].into_iter().enumerate() {
        let engine = SlateDb::open_with(&folder, Arc::new(disk.clone()), 1).await.unwrap();
        assert_eq!(all(&engine.db).await, expected);
        engine.commit(vec![put(&format!("a{round}"), "1")]).await.unwrap();
        // The write itself, so that nothing of it can be there.
        disk.fail_after(0, Fault::Error(kind));
        let error = engine.commit(vec![put(&format!("b{round}"), "2")]).await.unwrap_err();
        assert_eq!(
            error.detail::<StoreFull>().is_some(),
            kind == ErrorKind::StorageFull,
            "{error:?}"
        );
        // The disk works again, the writer does not.
        assert!(engine.commit(vec![put(&format!("c{round}"), "3")]).await.is_err());
        engine.close().await.unwrap();
        expected += &format!("a{round}=1 ");
    }
    let engine = SlateDb::open_with(&folder, Arc::new(disk), 1).await.unwrap();
    assert_eq!(all(&engine.db).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_keeps_the_store_closed_and_says_why() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folders::default().hold(place.path()).unwrap();
    let engine = SlateDb::open(&folder).await.unwrap();
    for key in ["a", "b", "c"] {
        engine.commit(vec![put(key, "1")]).await.unwrap();
    }
    engine.close().await.unwrap();
    let log = std::fs::read_dir(folder.path.join(log_place::FOLDER)).unwrap().next();
    let segment = log.unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let error = SlateDb::open(&folder).await.err().unwrap();
    assert_eq!(error.code, Code::DataLoss);
    assert!(
        error.message.ends_with("it is damaged, as 2 behind it is whole"),
        "{error}"
    );
    assert_eq!(std::fs::read(&segment).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_writer_is_told_before_another_comes_is_there_and_nothing_after() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folders::default().hold(place.path()).unwrap();
    let mut before = SlateDb::open(&folder).await.unwrap();
    let mut acknowledged = 0;
    for round in 0..8 {
        let writes = async {
            let mut told = 0;
            loop {
                match before
                    .commit(vec![put("count", &(acknowledged + told + 1).to_string())])
                    .await
                {
                    Ok(()) => told += 1,
                    Err(error) => break (told, error),
                }
            }
        };
        let comes = async {
            tokio::time::sleep(Duration::from_millis(round * 3)).await;
            SlateDb::open(&folder).await.unwrap()
        };
        let ((told, error), next) = tokio::join!(writes, comes);
        assert!(error.detail::<StoreFenced>().is_some(), "{error:?}");
        acknowledged += told;
        let found = next
            .db
            .get(b"count")
            .await
            .unwrap()
            .map_or(0, |count| std::str::from_utf8(&count).unwrap().parse().unwrap());
        assert!(
            found == acknowledged || found == acknowledged + 1,
            "{found} of {acknowledged}"
        );
        acknowledged = found;
        before = next;
    }
    assert!(acknowledged > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_go_when_what_they_hold_is_in_tables() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folders::default().hold(place.path()).unwrap();
    let log = folder.path.join(log_place::FOLDER);
    let value = "v".repeat(1024 * 1024);
    let engine = SlateDb::open(&folder).await.unwrap();
    for number in 0..24 {
        engine.commit(vec![put(&format!("{number:02}"), &value)]).await.unwrap();
    }
    engine
        .db
        .flush_with_options(FlushOptions {
            flush_type: FlushType::MemTable,
        })
        .await
        .unwrap();
    let segments = || std::fs::read_dir(&log).unwrap().count();
    let before = segments();
    let in_tables = engine.db.manifest().replay_after_wal_id();
    let collector = Collector::new(Arc::new(Folder::at(&log)));
    let collect = |from: u64, min_age| collector.collect(vec![(from..).into()], min_age, false);
    // They are old already, and needed until now.
    collect(1, Duration::ZERO).await.unwrap();
    collect(in_tables, Duration::ZERO).await.unwrap();
    assert_eq!(segments(), before);
    collect(in_tables, LOG_AGE_MIN).await.unwrap();
    assert_eq!(segments(), before);
    collect(in_tables, Duration::ZERO).await.unwrap();
    assert!(before > 4 && segments() == 1, "{before} segments, then {}", segments());
    engine.commit(vec![put("99", "last")]).await.unwrap();
    engine.close().await.unwrap();
    let engine = SlateDb::open(&folder).await.unwrap();
    assert_eq!(all(&engine.db).await.len(), 24 * (value.len() + 4) + "99=last ".len());
    engine.close().await.unwrap();
}
