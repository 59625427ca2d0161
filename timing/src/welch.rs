//! Welch's t-test on two classes of times, as they are and with the slow ones left out.

/// |t| from which dudect takes a leak for likely.
pub const THRESHOLD: f64 = 4.5;

/// Thresholds of slowness that are tried.
const CROPS: i32 = 20;

/// Measurements of a class below which a cropped test says nothing.
const ENOUGH: usize = 50;

/// Count, mean and sum of squared distances from it, by Welford.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn of(times: impl Iterator<Item = f64>) -> Self {
        times.fold(Self::default(), |Self { count, mean, squares }, time| {
            let count = count + 1.0;
            let distance = time - mean;
            let mean = mean + distance / count;
            Self { count, mean, squares: squares + distance * (time - mean) }
        })
    }

    /// The square of the mean's standard error.
    fn error(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

/// What two classes of times have to say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verdict {
    /// The means, in the unit of the times.
    pub means: [f64; 2],
    /// t of all times.
    pub t: f64,
    /// The t furthest from zero, of all times and of those below each of the crops.
    pub worst: f64,
    /// The share of times that the worst one has kept.
    pub kept: f64,
}

impl Verdict {
    pub fn leaks(&self) -> bool {
        self.worst.abs() >= THRESHOLD
    }
}

fn t_of(classes: &[Moments; 2]) -> f64 {
    let [one, other] = classes;
    let error = (one.error() + other.error()).sqrt();
    // Times that never vary differ beyond doubt, or not at all.
    if error > 0.0 {
        (one.mean - other.mean) / error
    } else if one.mean.total_cmp(&other.mean).is_eq() {
        0.0
    } else {
        f64::INFINITY
    }
}

/// Compares two classes of times.
pub fn compare(classes: &[Vec<f64>; 2]) -> Verdict {
    let below =
        |limit: f64| [0, 1].map(|class| Moments::of(classes[class].iter().copied().filter(|t| *t <= limit)));
    let all = below(f64::INFINITY);
    let t = t_of(&all);
    let mut verdict = Verdict { means: all.map(|class| class.mean), t, worst: t, kept: 1.0 };
    let mut sorted: Vec<f64> = classes.concat();
    sorted.sort_by(f64::total_cmp);
    for crop in 1..=CROPS {
        // As dudect has them: ever closer together towards all of the times.
        let kept = 1.0 - 0.5_f64.powf(10.0 * f64::from(crop) / f64::from(CROPS));
        let Some(limit) = sorted.get((sorted.len() as f64 * kept) as usize) else { continue };
        let cropped = below(*limit);
        let t = t_of(&cropped);
        let enough = cropped.iter().all(|class| class.count >= ENOUGH as f64);
        if enough && t.abs() > verdict.worst.abs() {
            (verdict.worst, verdict.kept) = (t, kept);
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::{compare, t_of};
    use crate::welch::Moments;

    #[test]
    fn t_is_what_others_compute() {
        // The formula as written, with the means and variances of Python's `statistics`.
        let one = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
        let other =
            [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 31.3];
        let t = t_of(&[Moments::of(one.into_iter()), Moments::of(other.into_iter())]);
        assert!((t + 2.949_236_8).abs() < 1e-6, "{t}");
    }

    #[test]
    fn equal_times_do_not_differ_and_constant_ones_do() {
        let equal: Vec<f64> = (0..1000).map(|at| f64::from(at % 17)).collect();
        let verdict = compare(&[equal.clone(), equal.clone()]);
        assert!(verdict.worst.abs() < 1e-9 && !verdict.leaks());
        assert!(compare(&[vec![1.0; 100], vec![2.0; 100]]).leaks());
        assert!(!compare(&[vec![1.0; 100], vec![1.0; 100]]).leaks());
    }

    #[test]
    fn a_small_shift_under_rare_large_noise_is_seen_by_cropping() {
        let times = |shift: f64| -> Vec<f64> {
            let noise =
                |at: u32| if at.is_multiple_of(50) { f64::from(at * 31 % 9_973) * 100.0 } else { 0.0 };
            (0..20_000).map(|at: u32| 100.0 + shift + f64::from(at % 11) + noise(at)).collect()
        };
        let mut other = times(1.0);
        // The large noise falls on the two classes alike, but not at the same places.
        other.rotate_left(7);
        let verdict = compare(&[times(0.0), other]);
        assert!(verdict.leaks() && verdict.t.abs() < 4.5, "{verdict:?}");
    }
}
