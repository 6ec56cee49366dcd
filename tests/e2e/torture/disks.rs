//! Faults of data directories: they are wiped, a bit flips in them, or their disk is full.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::Command,
};

use kittengrad_sim::Random;

/// Removes everything in a data directory.
pub(super) fn wipe(data: &Path) {
    for entry in fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}

/// Removes the databases that were put aside. Returns their number.
pub(super) fn remove_aside(data: &Path) -> u64 {
    let mut count = 0;
    for entry in fs::read_dir(data).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains(".damaged-") {
            fs::remove_dir_all(path).unwrap();
            count += 1;
        }
    }
    count
}

/// A flipped bit.
pub(super) struct Flip {
    pub(super) file: PathBuf,
    pub(super) at: u64,
    pub(super) bit: u8,
}

/// Flips a bit of a file in a data directory. Draws the kind of file first, then the file. `None` if all files are
/// empty.
pub(super) fn flip(data: &Path, random: &mut Random) -> Option<Flip> {
    let mut files = Vec::new();
    collect(data, &mut files);
    files.sort();
    let kinds = [
        "log", "log", "sst", "sst", "blob", "blob", "MANIFEST", "CURRENT", "", "",
    ];
    let kind = random.pick(&kinds);
    let of_kind: Vec<_> = files.iter().filter(|(path, _)| is_of(path, kind)).collect();
    let of_kind = if of_kind.is_empty() {
        files.iter().collect()
    } else {
        of_kind
    };
    if of_kind.is_empty() {
        return None;
    }
    let (file, bytes) = random.pick(&of_kind).clone();
    let (at, bit) = (random.within(0..=bytes - 1), random.within(0..=7) as u8);
    let mut open = File::options().read(true).write(true).open(&file).unwrap();
    let mut byte = [0];
    open.seek(SeekFrom::Start(at)).unwrap();
    open.read_exact(&mut byte).unwrap();
    byte[0] ^= 1 << bit;
    open.seek(SeekFrom::Start(at)).unwrap();
    open.write_all(&byte).unwrap();
    Some(Flip { file, at, bit })
}

fn is_of(path: &Path, kind: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(&format!(".{kind}")) || name.starts_with(kind)
}

/// All files that are not empty, with their sizes, except those of databases that were put aside.
fn collect(folder: &Path, found: &mut Vec<(PathBuf, u64)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_aside = path.to_string_lossy().contains(".damaged-");
        if path.is_dir() && !is_aside {
            collect(&path, found);
        } else if let Ok(metadata) = path.metadata()
            && metadata.is_file()
            && metadata.len() > 0
        {
            found.push((path, metadata.len()));
        }
    }
}

/// A small disk in memory; unmounted when it is dropped.
pub(super) struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk at `path`; `None` if that is not allowed here.
    pub(super) fn mount(path: &Path, mebibytes: u64) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(path)
            .output();
        mounted
            .is_ok_and(|done| done.status.success())
            .then(|| Self {
                path: path.to_owned(),
            })
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }

    /// Fills the disk until `free` bytes are free.
    pub(super) fn fill(&self, free: u64) {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        let mebibyte = vec![0; 1024 * 1024];
        loop {
            let left = kittengrad_store::free_bytes(&self.path).unwrap();
            let Some(bytes) = left.checked_sub(free).filter(|bytes| *bytes > 0) else {
                return;
            };
            let bytes = usize::try_from(bytes.min(1024 * 1024)).unwrap();
            // Another writer may take the last bytes.
            if filler.write_all(&mebibyte[..bytes]).is_err() {
                return;
            }
        }
    }

    /// Removes the filler.
    pub(super) fn free(&self) {
        // Without a filler, nothing was filled.
        let _ = fs::remove_file(self.filler());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The test keeps its folder on failure, but this disk is in memory only.
            let kept = self.path.with_extension("kept");
            let _ = Command::new("cp")
                .arg("-a")
                .args([&self.path, &kept])
                .status();
        }
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
