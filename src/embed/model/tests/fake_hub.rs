//! A hub of one model on this machine: enough of the Hugging Face hub's HTTP for hf-hub.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::embed::model::record::hash_of;

/// What the hub has and has been asked.
pub struct FakeHub {
    /// Its address, for `Hub::endpoint`.
    pub endpoint: String,
    state: Arc<Mutex<State>>,
}

struct State {
    id: String,
    commit: String,
    files: BTreeMap<String, Vec<u8>>,
    asked: Vec<String>,
    /// Sends one byte wrong in the weights.
    corrupt: bool,
    /// Bytes of the weights after which the next download breaks off.
    cut: Option<usize>,
}

impl FakeHub {
    /// Serves the files of `folder` as model `id`, whose `main` is `commit`, until the test ends.
    pub fn serve(id: &str, commit: &str, folder: &Path) -> FakeHub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let mut files = BTreeMap::new();
        collect(folder, "", &mut files);
        let state = State {
            id: id.to_owned(),
            commit: commit.to_owned(),
            files,
            asked: Vec::new(),
            corrupt: false,
            cut: None,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that hangs up is part of some tests.
                let _ = answer(stream, &mut shared.lock().unwrap());
            }
        });
        FakeHub { endpoint, state }
    }

    /// Paths asked for since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// Whether the weights arrive with a byte wrong.
    pub fn corrupt(&self, corrupt: bool) {
        self.state.lock().unwrap().corrupt = corrupt;
    }

    /// Breaks the next download of the weights off after so many bytes.
    pub fn cut(&self, bytes: usize) {
        self.state.lock().unwrap().cut = Some(bytes);
    }

    /// Moves `main` to another commit with the same files.
    pub fn push(&self, commit: &str) {
        self.state.lock().unwrap().commit = commit.to_owned();
    }
}

fn collect(folder: &Path, inside: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{inside}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}

/// Answers one request and closes, so that no connection is ever waited for.
fn answer(stream: TcpStream, state: &mut State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut start = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            start = range.split('-').next().and_then(|digits| digits.parse::<usize>().ok());
            // hf-hub asks for the first byte alone to learn the length.
            if range.trim() == "0-0" {
                start = None;
            }
        }
    }
    let mut stream = stream;
    let revisions = [state.commit.as_str(), "main"];
    if revisions.iter().any(|revision| path == format!("/api/models/{}/revision/{revision}", state.id)) {
        state.asked.push(path);
        let siblings: Vec<_> =
            state.files.keys().map(|name| serde_json::json!({"rfilename": name})).collect();
        let info = serde_json::json!({"sha": state.commit, "siblings": siblings}).to_string();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{info}",
            info.len()
        )?;
        return stream.flush();
    }
    let name = path.strip_prefix(&format!("/{}/resolve/{}/", state.id, state.commit)).map(str::to_owned);
    state.asked.push(path);
    let Some((name, bytes)) = name.and_then(|name| state.files.get_key_value(&name)) else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let is_large = name.ends_with("model.safetensors");
    let hash = hash_of(bytes);
    let etag = if is_large { hash.as_str() } else { &hash[..40] };
    let (from, mut body) = match start {
        Some(from) => (from, bytes[from.min(bytes.len())..].to_vec()),
        None => (0, bytes[..1].to_vec()),
    };
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{}\r\nETag: \
         \"{etag}\"\r\nX-Repo-Commit: {}\r\nConnection: close\r\n\r\n",
        body.len(),
        from + body.len().max(1) - 1,
        bytes.len(),
        state.commit,
    )?;
    if is_large && start.is_some() {
        if state.corrupt
            && let Some(last) = body.last_mut()
        {
            *last ^= 1;
        }
        if let Some(length) = state.cut.take() {
            body.truncate(length);
        }
    }
    stream.write_all(&body)?;
    stream.flush()
}
