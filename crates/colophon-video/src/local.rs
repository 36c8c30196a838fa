//! A source as a file that the children can read.

use std::fs::File;
use std::path::{Path, PathBuf};

use colophon_core::{Result, Source, SourceReader};

/// The file: the source's own where it is one, else a copy that ends with this value.
pub(crate) struct Local {
    path: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

impl Local {
    /// # Errors
    /// `Io`.
    pub(crate) fn of(source: &dyn Source) -> Result<Self> {
        let file = source.as_file();
        if let Some(path) = file.and_then(colophon_core::FileSource::place) {
            return Ok(Self { path, _folder: None });
        }
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("video");
        let mut out = File::create(&path)?;
        match file {
            Some(file) => file.copy_to(0..source.len(), &out)?,
            None => {
                std::io::copy(&mut SourceReader::new(source), &mut out)?;
            }
        }
        Ok(Self { path, _folder: Some(folder) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_where_it_is_and_bytes_are_copied() {
        let bytes = b"some bytes".to_vec();
        let copy = Local::of(&bytes).unwrap();
        assert_eq!(std::fs::read(copy.path()).unwrap(), bytes);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, &bytes).unwrap();
        let source = colophon_core::FileSource::open(&path).unwrap();
        let own = Local::of(&source).unwrap();
        assert_eq!(std::fs::read(own.path()).unwrap(), bytes);
        assert_eq!(own.path().starts_with("/proc"), cfg!(target_os = "linux"));
    }
}
