//! Runs one algorithm on a `.npy` of f32 rows: seconds and memory as one line of JSON, labels as i64 `.npy`.
//!
//! `cluster_bench ROWS.npy LABELS.npy kmeans ITERATIONS START.npy | kmeans++ ITERATIONS K
//! | dbscan EPS MIN_POINTS | hdbscan MIN_CLUSTER_SIZE MIN_SAMPLES`

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::time::Instant;

use ndarray::Array2;
use rand::SeedableRng;
use undertone::theme::{Clusterer, Dbscan, Engine, Geometry, Hdbscan, Lloyd};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rows, labels_path, algorithm, first, rest @ ..] = arguments.as_slice() else {
        return Err("usage: cluster_bench ROWS.npy LABELS.npy ALGORITHM PARAMETERS".into());
    };
    let second = rest.first().map_or("", String::as_str);
    let rows = read(rows)?;
    let before_mb = peak_mb()?;
    let start = Instant::now();
    let mut more = String::new();
    let lloyd = |iterations| Lloyd { geometry: Geometry::Euclidean, iterations, tolerance: 0.0 };
    let labels: Vec<Option<u32>> = match algorithm.as_str() {
        "kmeans" | "kmeans++" => {
            let centroids = match algorithm.as_str() {
                "kmeans" => read(second)?,
                _ => {
                    let mut rng = rand_xoshiro::Xoshiro256Plus::seed_from_u64(1);
                    undertone::theme::spread_start(rows.view(), second.parse()?, &mut rng)
                }
            };
            more = format!(", \"start_seconds\": {}", start.elapsed().as_secs_f64());
            let fitted = lloyd(first.parse()?).fit(rows.view(), centroids);
            more += &format!(", \"inertia\": {}, \"iterations\": {}", fitted.inertia, fitted.iterations);
            fitted.labels.into_iter().map(Some).collect()
        }
        "dbscan" => {
            let fit = Dbscan { eps: first.parse()?, min_points: second.parse()?, engine: Engine::Blocked };
            fit.cluster(rows.view())?.labels
        }
        "hdbscan" => {
            let fit = Hdbscan { min_cluster_size: first.parse()?, min_samples: Some(second.parse()?) };
            let found = fit.fit(rows.view())?;
            let strengths: Vec<u8> = found.strengths.iter().flat_map(|v| v.to_le_bytes()).collect();
            write(&format!("{labels_path}.strengths.npy"), "<f4", found.strengths.len(), &strengths)?;
            found.clusters.labels
        }
        other => return Err(format!("no algorithm {other}").into()),
    };
    let seconds = start.elapsed().as_secs_f64();
    println!("{{\"seconds\": {seconds}, \"peak_mb\": {}, \"before_mb\": {before_mb}{more}}}", peak_mb()?);
    let bytes: Vec<u8> = labels.iter().flat_map(|label| label.map_or(-1, i64::from).to_le_bytes()).collect();
    write(labels_path, "<i8", labels.len(), &bytes)
}

/// Rows of a two-dimensional little-endian f32 array in C order; in pieces, so that memory holds them once.
fn read(path: &str) -> Result<Array2<f32>, Box<dyn Error>> {
    let mut file = BufReader::new(File::open(path).map_err(|error| format!("{path}: {error}"))?);
    let mut begin = [0; 10];
    file.read_exact(&mut begin)?;
    let [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, low, high] = begin else {
        return Err(format!("{path}: no .npy of version 1").into());
    };
    let mut header = vec![0; usize::from(u16::from_le_bytes([low, high]))];
    file.read_exact(&mut header)?;
    let header = String::from_utf8(header)?;
    if !header.contains("'<f4'") || !header.contains("'fortran_order': False") {
        return Err(format!("{path}: {header}: f32 rows in C order are wanted").into());
    }
    let shape = header.split(['(', ')']).nth(1).unwrap_or("");
    let shape: Vec<usize> = shape.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    let [rows, columns] = shape[..] else { return Err(format!("{path}: {header}: two dimensions").into()) };
    let mut values = Array2::zeros((rows, columns));
    let mut bytes = vec![0; 4 * columns];
    for mut row in values.rows_mut() {
        file.read_exact(&mut bytes)?;
        let read = bytes.chunks_exact(4).map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]]));
        row.iter_mut().zip(read).for_each(|(value, read)| *value = read);
    }
    Ok(values)
}

/// A one-dimensional array of `count` values of `kind`.
fn write(path: &str, kind: &str, count: usize, values: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({count},), }}");
    // The values begin at a multiple of 64.
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = vec![0x93, b'N', b'U', b'M', b'P', b'Y', 1, 0];
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values);
    Ok(std::fs::write(path, bytes)?)
}

/// Peak resident memory of this process.
fn peak_mb() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).ok_or("no VmHWM")?.parse::<f64>()? / 1024.0)
}
