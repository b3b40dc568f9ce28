use std::{io, os::unix::net::UnixDatagram, path::Path};

/// Tells systemd how far we are (sd_notify(3)): `READY=1`, `STOPPING=1`. Nothing happens where no
/// `NOTIFY_SOCKET` is set.
pub(crate) fn systemd(state: &str) -> io::Result<()> {
    match std::env::var_os("NOTIFY_SOCKET") {
        Some(socket) => send(Path::new(&socket), state),
        None => Ok(()),
    }
}

fn send(socket: &Path, state: &str) -> io::Result<()> {
    use std::os::{linux::net::SocketAddrExt, unix::ffi::OsStrExt};
    let datagram = UnixDatagram::unbound()?;
    let name = socket.as_os_str().as_bytes();
    let address = match name.strip_prefix(b"@") {
        Some(abstract_name) => std::os::unix::net::SocketAddr::from_abstract_name(abstract_name)?,
        None => std::os::unix::net::SocketAddr::from_pathname(socket)?,
    };
    datagram.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_arrives_at_a_socket_with_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        send(&path, "READY=1").unwrap();
        let mut received = [0; 16];
        let length = systemd.recv(&mut received).unwrap();
        assert_eq!(&received[..length], b"READY=1");
    }
}
