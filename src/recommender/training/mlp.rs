//! A perceptron of one or two layers over rows that do not change: forward, backward, step.
//!
//! ```text
//! two layers:  y = leaky(x W1 + b1) W2 + b2        one layer:  y = x W1 + b1
//! ```
//!
//! Activations are computed in fixed panels of rows, weight gradients in panels of their own rows: no sum
//! depends on the number of threads. Sizes are padded to whole lanes; the padding stays zero.
//! Must not know what rows are.

use super::adam::{Decay, Moments, Rate};
use super::init::{TableKey, normal, padded, xavier_std};
use super::layers::{column_sums, fill_rows, transposed_product};
use crate::recommender::dense::{View, multiply};
use crate::rng::Streams;
use rayon::prelude::*;

/// Slope of the activation below zero, as in Maas, Hannun and Ng (2013).
const LEAK: f32 = 0.01;

/// Rows that a thread takes at once.
const PANEL: usize = 128;

/// Sizes of the layers, as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Numbers in a row that goes in.
    pub input: usize,
    /// Width of the hidden layer; 0 for none.
    pub hidden: usize,
    /// Numbers in a row that comes out.
    pub output: usize,
}

impl Shape {
    /// Widths of what each layer takes and gives.
    fn layers(self) -> Vec<(usize, usize)> {
        match self.hidden {
            0 => vec![(self.input, self.output)],
            hidden => vec![(self.input, hidden), (hidden, self.output)],
        }
    }

    /// How long every table is: weights and biases of each layer.
    pub fn lens(self) -> Vec<usize> {
        let lens = |(input, output): (usize, usize)| [padded(input) * padded(output), padded(output)];
        self.layers().into_iter().flat_map(lens).collect()
    }
}

/// The network and what its training needs.
#[derive(Clone, Debug)]
pub struct Mlp {
    shape: Shape,
    /// W1, `input × hidden`; b1; W2, `hidden × output`; b2; rows padded.
    tables: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    moments: Vec<Moments>,
    hidden: Vec<f32>,
    d_hidden: Vec<f32>,
}

impl Mlp {
    /// Normal draws with Glorot's spread; biases zero. `first_table` numbers its first table in the model.
    pub fn new(shape: Shape, streams: Streams, round: u32, first_table: u64) -> Self {
        let mut tables = Vec::new();
        for (number, (input, output)) in shape.layers().into_iter().enumerate() {
            let key = TableKey { streams, round, table: first_table + number as u64 };
            let mut weights = normal(key, input, output, xavier_std(input, output));
            weights.resize(padded(input) * padded(output), 0.0);
            tables.push(weights);
            tables.push(vec![0.0; padded(output)]);
        }
        Mlp::from_tables(shape, tables)
    }

    /// A network from its tables.
    ///
    /// # Panics
    /// When they do not have the lengths of [`Shape::lens`].
    pub fn from_tables(shape: Shape, tables: Vec<Vec<f32>>) -> Self {
        let lens: Vec<usize> = tables.iter().map(Vec::len).collect();
        assert_eq!(lens, shape.lens(), "tables of this shape");
        Mlp {
            shape,
            gradients: tables.clone(),
            moments: lens.into_iter().map(Moments::zeros).collect(),
            tables,
            hidden: Vec::new(),
            d_hidden: Vec::new(),
        }
    }

    /// The sizes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Weights and biases of each layer.
    pub fn tables(&self) -> &[Vec<f32>] {
        &self.tables
    }

    /// The tables, then what the optimiser remembers of each.
    pub fn state(&mut self) -> (Vec<&mut Vec<f32>>, Vec<&mut Vec<f32>>) {
        let moments = self.moments.iter_mut().flat_map(|m| [&mut m.first, &mut m.second]);
        (self.tables.iter_mut().collect(), moments.collect())
    }

    /// Writes `y` for padded rows `x`, and keeps what [`Mlp::backward`] needs.
    ///
    /// # Panics
    /// When there is not one row of `y` a row of `x`.
    pub fn forward(&mut self, x: &[f32], y: &mut [f32]) {
        let mut hidden = std::mem::take(&mut self.hidden);
        hidden.resize(x.len() / padded(self.shape.input) * padded(self.shape.hidden), 0.0);
        let width = padded(self.shape.hidden);
        let x_panels = x.par_chunks(PANEL * padded(self.shape.input));
        let y_panels = y.par_chunks_mut(PANEL * padded(self.shape.output));
        if self.shape.hidden == 0 {
            x_panels.zip(y_panels).for_each(|(x, y)| self.layer(0, x, y));
        } else {
            x_panels.zip(y_panels).zip(hidden.par_chunks_mut(PANEL * width)).for_each(|((x, y), hidden)| {
                self.layer(0, x, hidden);
                hidden.iter_mut().for_each(|h| *h = if *h > 0.0 { *h } else { LEAK * *h });
                self.layer(1, hidden, y);
            });
        }
        self.hidden = hidden;
    }

    /// `y = x W + b` of one layer.
    fn layer(&self, number: usize, x: &[f32], y: &mut [f32]) {
        let (input, output) = self.shape.layers()[number];
        let (input, output) = (padded(input), padded(output));
        let n_rows = x.len() / input;
        assert_eq!(y.len(), n_rows * output, "one row out a row in");
        fill_rows(y, &self.tables[2 * number + 1]);
        let weights = View::new(&self.tables[2 * number], input, output, output);
        multiply(y, output, 1.0, 1.0, View::new(x, n_rows, input, input), weights);
    }

    /// One row, without keeping anything; the same bits whatever else is computed.
    pub fn apply(&self, x: &[f32], y: &mut [f32]) {
        if self.shape.hidden == 0 {
            return self.layer(0, x, y);
        }
        let mut hidden = vec![0f32; padded(self.shape.hidden)];
        self.layer(0, x, &mut hidden);
        hidden.iter_mut().for_each(|h| *h = if *h > 0.0 { *h } else { LEAK * *h });
        self.layer(1, &hidden, y);
    }

    /// From the loss gradient with respect to `y` to that of every weight; `x` is what the last
    /// [`Mlp::forward`] was given.
    pub fn backward(&mut self, x: &[f32], d_y: &[f32]) {
        let Shape { input, hidden, output } = self.shape;
        let (input, hidden, output) = (padded(input), padded(hidden), padded(output));
        if self.shape.hidden == 0 {
            transposed_product(&mut self.gradients[0], (x, input), (d_y, output));
            return column_sums(&mut self.gradients[1], d_y);
        }
        self.d_hidden.resize(self.hidden.len(), 0.0);
        let weights = View::new(&self.tables[2], hidden, output, output);
        let panels = self.d_hidden.par_chunks_mut(PANEL * hidden).zip(self.hidden.par_chunks(PANEL * hidden));
        panels.zip(d_y.par_chunks(PANEL * output)).for_each(|((d_hidden, hidden_rows), d_y)| {
            let n_rows = d_y.len() / output;
            multiply(d_hidden, hidden, 0.0, 1.0, View::new(d_y, n_rows, output, output), weights.t());
            let pairs = d_hidden.iter_mut().zip(hidden_rows);
            pairs.for_each(|(d, &h)| *d = if h > 0.0 { *d } else { LEAK * *d });
        });
        let [w1, b1, w2, b2] = &mut self.gradients[..] else { unreachable!("two layers have four tables") };
        transposed_product(w2, (&self.hidden, hidden), (d_y, output));
        column_sums(b2, d_y);
        transposed_product(w1, (x, input), (&self.d_hidden, hidden));
        column_sums(b1, &self.d_hidden);
    }

    /// From the loss gradient with respect to `y` to that with respect to `x`, after [`Mlp::backward`].
    pub fn backward_input(&self, d_y: &[f32], d_x: &mut [f32]) {
        let layers = self.shape.layers();
        let (input, next) = (padded(layers[0].0), padded(layers[0].1));
        let d_next = if self.shape.hidden == 0 { d_y } else { &self.d_hidden };
        let weights = View::new(&self.tables[0], input, next, next);
        d_x.par_chunks_mut(PANEL * input).zip(d_next.par_chunks(PANEL * next)).for_each(|(d_x, d_next)| {
            let n_rows = d_next.len() / next;
            multiply(d_x, input, 0.0, 1.0, View::new(d_next, n_rows, next, next), weights.t());
        });
    }

    /// The gradients of the last [`Mlp::backward`], table by table.
    pub fn gradients(&self) -> &[Vec<f32>] {
        &self.gradients
    }

    /// Moves all weights against their gradients; biases do not decay.
    pub fn step(&mut self, rate: Rate, decay: Decay) {
        let tables = self.tables.iter_mut().zip(&self.gradients).zip(&mut self.moments);
        for (number, ((table, gradient), moments)) in tables.enumerate() {
            let decay = if number % 2 == 0 { decay } else { Decay::None };
            moments.step(table, gradient, rate, decay);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;
    use rand::RngExt;

    /// One row through the network in double precision.
    fn plain(shape: Shape, tables: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
        let mut row = x.to_vec();
        for (number, (input, output)) in shape.layers().into_iter().enumerate() {
            let (weights, bias) = (&tables[2 * number], &tables[2 * number + 1]);
            let sum = |k: usize| {
                bias[k] + (0..input).map(|j| row[j] * weights[j * padded(output) + k]).sum::<f64>()
            };
            let mut next: Vec<f64> = (0..output).map(sum).collect();
            if number + 1 < shape.layers().len() {
                next.iter_mut().for_each(|h| *h = h.max(f64::from(LEAK) * *h));
            }
            row = next;
        }
        row
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for hidden in [0, 7] {
            let shape = Shape { input: 10, hidden, output: 5 };
            let mut rng = Streams::new(2).stream(Purpose::Noise, 0, 0, 0);
            // More rows than a panel.
            let n_rows = PANEL + 9;
            let mut padded_rows = |width: usize| {
                let row = |_| {
                    (0..padded(width))
                        .map(|k| if k < width { rng.random::<f32>() - 0.5 } else { 0.0 })
                        .collect::<Vec<f32>>()
                };
                (0..n_rows).flat_map(row).collect::<Vec<f32>>()
            };
            let (x, d_y) = (padded_rows(10), padded_rows(5));
            let mut mlp = Mlp::new(shape, Streams::new(3), 0, 0);
            mlp.tables[1]
                .iter_mut()
                .take(hidden.max(5))
                .enumerate()
                .for_each(|(k, b)| *b = 0.1 * k as f32 - 0.2);
            let mut y = vec![0f32; n_rows * padded(5)];
            mlp.forward(&x, &mut y);
            mlp.backward(&x, &d_y);
            let loss = |tables: &[Vec<f64>]| -> f64 {
                (0..n_rows)
                    .map(|row| {
                        let x: Vec<f64> = x[row * 16..][..10].iter().map(|&x| f64::from(x)).collect();
                        let y = plain(shape, tables, &x);
                        y.iter().zip(&d_y[row * 8..]).map(|(y, d)| y * f64::from(*d)).sum::<f64>()
                    })
                    .sum()
            };
            let tables: Vec<Vec<f64>> =
                mlp.tables.iter().map(|t| t.iter().map(|&x| f64::from(x)).collect()).collect();
            for (number, table) in tables.iter().enumerate() {
                for at in (0..table.len()).step_by(3) {
                    let (mut up, mut down) = (tables.clone(), tables.clone());
                    up[number][at] += 1e-5;
                    down[number][at] -= 1e-5;
                    let slope = (loss(&up) - loss(&down)) / 2e-5;
                    let found = f64::from(mlp.gradients()[number][at]);
                    assert!(
                        (found - slope).abs() < 1e-4,
                        "hidden {hidden}, table {number}, {at}: {found} {slope}"
                    );
                }
            }
            let mut alone = vec![0f32; 8];
            mlp.apply(&x[16 * 3..][..16], &mut alone);
            for (a, b) in alone.iter().zip(&y[8 * 3..]) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }
}
