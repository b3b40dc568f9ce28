use crate::{
    entry::{Entry, Kind},
    lake::LakeError,
    part::{PART, PartWriter},
};
use std::path::Path;

/// Rows that are put into columns at once.
const CHUNK: usize = 1 << 16;

/// Writes rows of one kind to a Parquet file that a source can be read from, in the order in which they come; those of other kinds are left
/// out. Returns how many it wrote.
///
/// # Errors
/// [`LakeError::Io`]
pub fn export(path: &Path, kind: Kind, entries: impl IntoIterator<Item = Entry>) -> Result<u64, LakeError> {
    let mut writer = PartWriter::new(path, kind.as_str(), kind.schema())?;
    let (mut table, mut rows) = (kind.table(), 0);
    let mut entries = entries.into_iter().peekable();
    while entries.peek().is_some() {
        entries.by_ref().take(CHUNK).for_each(|entry| table.push(&entry));
        let order: Vec<u32> = (0..).take(table.len().min(PART)).collect();
        rows += order.len() as u64;
        let batch = table.batch(&order).map_err(LakeError::arrow(path))?;
        writer.write(&batch).map_err(LakeError::parquet(path))?;
        table = kind.table();
    }
    writer.finish().map_err(LakeError::parquet(path))?;
    Ok(rows)
}
