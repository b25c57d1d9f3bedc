//! Files that cannot be read or written, for the person who named them: which file, why, and what to do.

use std::io::{Error, ErrorKind};
use std::path::Path;

use base::{Bilingual, bilingual};

/// The file, what is wrong, and what to do; of rarer errors what the system says.
pub fn io_fault(path: &Path, error: &Error) -> Bilingual {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path }.display();
    match error.kind() {
        ErrorKind::NotFound => {
            bilingual!(
                "{path}: does not exist; check the name and the folder",
                "{path}：不存在；请检查名称和所在文件夹"
            )
        }
        ErrorKind::PermissionDenied => bilingual!(
            "{path}: this user may not read or write it; run the command as the node's user, or give it the rights",
            "{path}：本用户无权读写；请以节点的用户运行本命令，或授予权限"
        ),
        ErrorKind::AlreadyExists => bilingual!(
            "{path}: exists already, and nothing was written; name another file, or remove that one first",
            "{path}：已存在，未写入任何内容；请换一个文件名，或先删除该文件"
        ),
        ErrorKind::IsADirectory => {
            bilingual!(
                "{path}: is a folder; name a file, as in {path}/NAME",
                "{path}：是文件夹；请写文件名，如 {path}/名称"
            )
        }
        ErrorKind::NotADirectory => bilingual!(
            "{path}: a part of this path is a file and no folder; name another path",
            "{path}：路径中有一部分是文件而不是文件夹；请换一个路径"
        ),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            bilingual!("{path}: the disk is full; free some space and try again", "{path}：磁盘已满；请腾出空间后重试")
        }
        ErrorKind::ReadOnlyFilesystem => bilingual!(
            "{path}: the file system is read-only; name a file elsewhere",
            "{path}：文件系统为只读；请写到别处"
        ),
        ErrorKind::InvalidData => {
            bilingual!("{path}: is not a text in UTF-8; save it as UTF-8", "{path}：不是 UTF-8 文本；请存为 UTF-8")
        }
        _ => bilingual!("{path}: {error}", "{path}：{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_errors_say_what_to_do_in_both_languages() {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::PermissionDenied,
            ErrorKind::AlreadyExists,
            ErrorKind::IsADirectory,
            ErrorKind::NotADirectory,
            ErrorKind::StorageFull,
            ErrorKind::ReadOnlyFilesystem,
            ErrorKind::InvalidData,
        ] {
            let text = io_fault(Path::new("a/b"), &Error::new(kind, "os error"));
            assert!(text.en.starts_with("a/b") && text.zh.starts_with("a/b") && text.en != text.zh, "{kind}");
            assert!(!text.en.contains("os error"), "{kind}");
        }
    }
}
