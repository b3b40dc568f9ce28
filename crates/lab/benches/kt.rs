#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "temp")]
use lab::kt::*;
use std::time::Instant;
fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<u32>().ok());
    let (units, days) = (numbers.next().unwrap_or(500), numbers.next().unwrap_or(20));
    let size = Size { units, days, seed: 1 };
    std::thread::scope(|scope| {
        for p in [Policies::AsItWas, Policies::Ours] {
            scope.spawn(move || {
                let began = Instant::now();
                let noted = play(&size, p, &|_| ()).unwrap();
                println!("{p:?} {:.1} s", began.elapsed().as_secs_f64());
                println!("{:?} late {} pressed {} digest {}", noted.counts, noted.late, noted.pressed, noted.digest);
                println!("{:?} recorded {}", noted.points.last(), noted.recorded);
                println!("{:#?}", noted.attempts);
                for (k, c) in &noted.cells { println!("{k} {} from {:?} code {:?} pay {:?} found {:?}", c.actor, c.from, c.first_code, c.first_payment, c.found); }
                for (k, d) in &noted.detectors { println!("{k}: {:?} gang {} others {} subjects {} sure {}", d.first, d.findings, d.others, d.subjects.len(), d.sure.len()); }
                println!("{:?}", noted.stopped);
            });
        }
    });
    println!("{}", std::fs::read_to_string("/proc/self/status").unwrap().lines().find(|l| l.starts_with("VmHWM")).unwrap());
}
