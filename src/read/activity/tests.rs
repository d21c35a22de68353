//! Activity tables good and bad, in every container.

use std::io::Write;

use chrono_tz::Europe::Berlin;
use datafusion::arrow::array::{
    ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::TimestampMillisecondType;
use tempfile::TempDir;

use super::*;
use crate::table::{batches, numbers, text, text_at};

type Row = (String, String, Option<String>);

/// What reading `name` in `folder` gives: the summary, the rows, the rejects.
fn read(
    folder: &TempDir,
    name: &str,
    columns: &ActivityColumns,
) -> Result<(ActivitySummary, Vec<Row>, Vec<Reject>), ActivityError> {
    let output = folder.path().join("activity.parquet");
    let mut rejects = Vec::new();
    let mut reject = |bad: Reject| rejects.push(bad);
    let path = folder.path().join(name);
    let silent = Progress::silent();
    let summary = read_activity(&path, columns, Berlin, &output, &mut reject, &silent)?;
    let mut rows = Vec::new();
    for batch in batches(&output)? {
        let batch = batch?;
        let (users, events) = (text(&batch, "user_id")?, text(&batch, "event")?);
        let times = numbers::<TimestampMillisecondType>(&batch, "at")?;
        for row in 0..batch.num_rows() {
            let at = DateTime::from_timestamp_millis(times.value(row)).expect("a time");
            let event = text_at(events, row).map(str::to_owned);
            rows.push((users.value(row).to_owned(), at.to_rfc3339(), event));
        }
    }
    Ok((summary, rows, rejects))
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) {
    std::fs::write(folder.path().join(name), bytes).expect("written");
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

#[test]
fn rows_good_and_bad_in_every_container() {
    let csv = b"\xef\xbb\xbfuser_id,at,event\n\
        a,2026-03-01T12:00:00Z,open\n\
        b,2026-03-01 13:00:00,\n\
        a,never,open\n\
        ,2026-03-01T12:00:00Z,open\n\
        c,1772366400\n\
        \"x\ny\",1772366400,\"a,b\"\n\
        \xff,1772366400,open\n\
        d,2026-03-02,open\n";
    let folder = folder();
    write(&folder, "plain", csv);
    write(&folder, "gz", &gzip(csv));
    write(&folder, "zst", &zstd::encode_all(&csv[..], 1).expect("compressed"));
    for name in ["plain", "gz", "zst"] {
        let (summary, rows, rejects) = read(&folder, name, &ActivityColumns::default()).expect(name);
        let row = |user: &str, at: &str, event: Option<&str>| -> Row {
            (user.to_owned(), at.to_owned(), event.map(str::to_owned))
        };
        assert_eq!(
            rows,
            [
                row("a", "2026-03-01T12:00:00+00:00", Some("open")),
                row("b", "2026-03-01T12:00:00+00:00", None),
                row("x\ny", "2026-03-01T12:00:00+00:00", Some("a,b")),
                row("d", "2026-03-01T23:00:00+00:00", Some("open")),
            ]
        );
        let places: Vec<_> = rejects.iter().map(|bad| (bad.line, bad.offset)).collect();
        let at = |start: &[u8]| {
            let found = csv.windows(start.len()).position(|part| part == start);
            found.expect("in the text") as u64
        };
        assert_eq!(
            places,
            [(4, at(b"a,never")), (5, at(b"\n,2026-03-01T") + 1), (6, at(b"c,17")), (9, at(b"\xff,1"))]
        );
        assert!(rejects[0].reason.starts_with("the time is in no form known"));
        assert_eq!(rejects[1].reason, "user_id is empty");
        assert_eq!(rejects[2].reason, "2 fields where the header has 3");
        assert_eq!(rejects[3].reason, "user_id is not valid UTF-8");
        assert_eq!((summary.rows, summary.users), (4, 4));
        assert_eq!((summary.rejected, summary.zoneless, summary.truncated), (4, 2, false));
        let last = summary.last.expect("rows").to_rfc3339();
        assert_eq!(last, "2026-03-01T23:00:00+00:00");
    }
}

#[test]
fn a_cut_file_gives_every_row_before_the_cut() {
    let mut csv = b"user_id,at\n".to_vec();
    for n in 0..50_000_u64 {
        csv.extend(format!("user-{},{}\n", n * 7919 % 10_007, 1_772_366_400 + n * n % 86_400).bytes());
    }
    let whole = gzip(&csv);
    let folder = folder();
    write(&folder, "cut", &whole[..whole.len() / 2]);
    let (summary, rows, rejects) = read(&folder, "cut", &ActivityColumns::default()).expect("read");
    assert!(summary.truncated);
    assert_eq!((rejects.len(), summary.rows as usize), (1, rows.len()));
    assert!(rows.len() > 10_000 && rows.len() < 40_000, "{}", rows.len());
    assert!(rejects[0].reason.contains("ends in the middle"));
}

#[test]
fn missing_files_and_columns_are_explained() {
    let folder = folder();
    let columns = ActivityColumns::default();
    let error = read(&folder, "absent.csv", &columns).expect_err("absent");
    assert!(matches!(error, ActivityError::Io { .. }), "{error}");
    write(&folder, "a.csv", b"UserID,at\nx,2026-03-01\n");
    let message = read(&folder, "a.csv", &columns).expect_err("no user_id").to_string();
    assert!(message.contains("no column `user_id`; it has: UserID, at. Did you mean `UserID`?"), "{message}");
    write(&folder, "empty.csv", b"");
    let message = read(&folder, "empty.csv", &columns).expect_err("empty").to_string();
    assert!(message.contains("it has: none, the file is empty"), "{message}");
    let named = ActivityColumns { user_id: "UserID".into(), event: "what".into(), ..columns };
    let message = read(&folder, "a.csv", &named).expect_err("no `what`").to_string();
    assert!(message.contains("no column `what`"), "{message}");
    let mapped = ActivityColumns { user_id: "UserID".into(), ..ActivityColumns::default() };
    assert_eq!(read(&folder, "a.csv", &mapped).expect("read").0.rows, 1);
}

#[test]
fn parquet_columns_of_any_sensible_type() {
    let noon = 1_772_366_400;
    let users = || -> ArrayRef { Arc::new(Int64Array::from(vec![Some(7), None, Some(8)])) };
    let micros = vec![Some(noon * 1_000_000); 3];
    let cases: [(ArrayRef, &str, u64); 5] = [
        (Arc::new(TimestampMicrosecondArray::from(micros.clone()).with_timezone("+02:00")), "12:00", 0),
        (Arc::new(TimestampMicrosecondArray::from(micros)), "11:00", 2),
        (Arc::new(Int64Array::from(vec![noon, noon, noon])), "12:00", 0),
        (Arc::new(StringArray::from(vec!["2026-03-01T12:00:00Z"; 3])), "12:00", 0),
        (Arc::new(Date32Array::from(vec![20_514; 3])), "23:00", 2),
    ];
    let folder = folder();
    for (times, hour, zoneless) in cases {
        let batch = RecordBatch::try_from_iter([("user_id", users()), ("at", times)]).expect("a batch");
        let mut writer = TableWriter::create(&folder.path().join("in"), batch.schema()).expect("created");
        writer.write(&batch).expect("written");
        writer.finish().expect("written");
        let (summary, rows, rejects) = read(&folder, "in", &ActivityColumns::default()).expect("read");
        assert_eq!(rows.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(), ["7", "8"]);
        assert_eq!(&rows[0].1[11..16], hour);
        assert_eq!((summary.zoneless, rejects.len(), rejects[0].line), (zoneless, 1, 2));
    }
}
