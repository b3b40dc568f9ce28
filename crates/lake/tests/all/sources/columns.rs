//! Parquet of others: columns of other types and in other orders.

use super::{open, said, whole};
use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, UInt8Array, UInt64Array,
};
use lake::{Entry, Kind, Options};
use parquet::arrow::ArrowWriter;
use records::row::Row;
use std::{fs::File, path::Path, sync::Arc};

fn put(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn texts(texts: [Option<&str>; 2]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

fn access(seq: u64) -> Entry {
    let text = format!(
        r#"{{"v":1,"kind":"access","at":"2026-11-30T09:00:00.001Z","feed":"mme-1","seq":{seq},"subscriber":"000102030405060708090a0b0c0d0e0f","cell":"lte:450-08:1a","event":"attach","inner":"10.1.2.3","cipher":2}}"#
    );
    Row::parse(text.as_bytes()).unwrap().into()
}

#[test]
fn text_and_numbers_of_any_width_are_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let (who, micros) = (Some("000102030405060708090a0b0c0d0e0f"), 1_796_029_200_001_000);
    let number = {
        let Entry::Row(Row::Access(access)) = access(1) else { panic!() };
        access.cell.number()
    };
    let common = || {
        vec![
            ("inner", texts([Some("10.1.2.3"); 2])),
            ("event", texts([Some("attach"); 2])),
            ("subscriber", texts([who; 2])),
        ]
    };
    let times: [ArrayRef; 4] = [
        Arc::new(TimestampMillisecondArray::from(vec![micros / 1000; 2]).with_timezone("UTC")),
        Arc::new(TimestampMicrosecondArray::from(vec![micros; 2]).with_timezone("Asia/Seoul")),
        Arc::new(TimestampNanosecondArray::from(vec![micros * 1000 + 999; 2]).with_timezone("UTC")),
        texts([Some("2026-11-30T18:00:00.001+09:00"); 2]),
    ];
    for time in times {
        for by_number in [false, true] {
            let mut columns = common();
            columns.push(("at", time.clone()));
            if by_number {
                columns.push(("cell", Arc::new(UInt64Array::from(vec![number; 2]))));
                columns.push(("rat", Arc::new(UInt8Array::from(vec![4; 2]))));
                columns.push(("cipher", Arc::new(Int64Array::from(vec![2; 2]))));
                columns.push(("seq", Arc::new(Int64Array::from(vec![1, 2]))));
            } else {
                columns.push(("cell", texts([Some("lte:450-08:1a"); 2])));
                columns.push(("cipher", texts([Some("2"); 2])));
                columns.push(("seq", texts([Some("1"), Some("2")])));
            }
            put(&path, columns);
            let options =
                Options { kind: Some(Kind::Access), feed: "mme-1".parse().ok(), ..Options::default() };
            assert_eq!(whole(open(&path, &options)), [access(1), access(2)]);
        }
    }
}

#[test]
fn each_row_may_name_its_kind_and_has_nothing_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let beat = |kind: [Option<&str>; 2], why: [Option<&str>; 2]| {
        put(
            &path,
            vec![
                ("kind", texts(kind)),
                ("at", texts([Some("2026-11-30T09:00:00Z"); 2])),
                ("feed", texts([Some("a"); 2])),
                ("seq", Arc::new(Int64Array::from(vec![1, -1]))),
                ("why", texts(why)),
            ],
        );
        said(open(&path, &Options::default()))
    };
    let all = beat([Some("heartbeat"), Some("heartbeat")], [None, None]);
    assert!(
        matches!(&all[..], [Ok(_), Err(why)] if why.ends_with("a.parquet, line 2: `seq`: no whole number in the range of its field")),
        "{all:?}"
    );
    let all = beat([Some("heartbeat"), None], [Some("silent"), None]);
    assert!(
        matches!(&all[..], [Err(why), Err(none)] if why.contains("a row of heartbeat has no `why`") && none.contains("`kind`: it is missing")),
        "{all:?}"
    );
}

#[test]
fn a_column_that_cannot_hold_its_field_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let options = Options { kind: Some(Kind::Heartbeat), feed: "a".parse().ok(), ..Options::default() };
    let naive: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1; 2]));
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let float: ArrayRef = Arc::new(arrow_array::Float64Array::from(vec![1.0, 2.0]));
    let time = texts([Some("2026-11-30T09:00:00Z"); 2]);
    for (at, seq, why) in [
        (naive, number.clone(), "column `at` has the type Timestamp(µs); a time with its zone is needed"),
        (number.clone(), number, "column `at` has the type Int64; a time with its zone is needed"),
        (time, float, "column `seq` has the type Float64; a whole number is needed"),
    ] {
        put(&path, vec![("at", at), ("seq", seq)]);
        let all = said(open(&path, &options));
        let [Err(error)] = &all[..] else { panic!("{all:?}") };
        assert!(error.contains(why), "{error}");
    }
}
