//! Columns of Parquet files from elsewhere as ids, numbers and vectors; whatever holds something else, or
//! nulls, is none. Must not know what the columns mean.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int32Type, Int64Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// Raw ids of a column of text or whole numbers without nulls.
pub fn ids(array: &ArrayRef) -> Option<Vec<String>> {
    if array.null_count() > 0 {
        return None;
    }
    let rows = 0..array.len();
    Some(match array.data_type() {
        DataType::Utf8 => rows.map(|k| array.as_string::<i32>().value(k).to_owned()).collect(),
        DataType::LargeUtf8 => rows.map(|k| array.as_string::<i64>().value(k).to_owned()).collect(),
        DataType::Int32 => rows.map(|k| array.as_primitive::<Int32Type>().value(k).to_string()).collect(),
        DataType::Int64 => rows.map(|k| array.as_primitive::<Int64Type>().value(k).to_string()).collect(),
        DataType::UInt32 => rows.map(|k| array.as_primitive::<UInt32Type>().value(k).to_string()).collect(),
        DataType::UInt64 => rows.map(|k| array.as_primitive::<UInt64Type>().value(k).to_string()).collect(),
        _ => return None,
    })
}

/// Whole numbers of a column without nulls.
pub fn whole_numbers(array: &ArrayRef) -> Option<Vec<f64>> {
    match array.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => None,
        _ => numbers(array),
    }
}

/// Numbers of a column without nulls.
pub fn numbers(array: &ArrayRef) -> Option<Vec<f64>> {
    if array.null_count() > 0 {
        return None;
    }
    let rows = 0..array.len();
    Some(match array.data_type() {
        DataType::Int32 => rows.map(|k| f64::from(array.as_primitive::<Int32Type>().value(k))).collect(),
        DataType::Int64 => rows.map(|k| array.as_primitive::<Int64Type>().value(k) as f64).collect(),
        DataType::UInt32 => rows.map(|k| f64::from(array.as_primitive::<UInt32Type>().value(k))).collect(),
        DataType::UInt64 => rows.map(|k| array.as_primitive::<UInt64Type>().value(k) as f64).collect(),
        DataType::Float16 => rows.map(|k| array.as_primitive::<Float16Type>().value(k).to_f64()).collect(),
        DataType::Float32 => rows.map(|k| f64::from(array.as_primitive::<Float32Type>().value(k))).collect(),
        DataType::Float64 => rows.map(|k| array.as_primitive::<Float64Type>().value(k)).collect(),
        _ => return None,
    })
}

/// The numbers in one row of a column of lists without nulls.
pub fn list(array: &ArrayRef, row: usize) -> Option<Vec<f64>> {
    if array.null_count() > 0 {
        return None;
    }
    match array.data_type() {
        DataType::List(_) => numbers(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => numbers(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => numbers(&array.as_fixed_size_list().value(row)),
        _ => None,
    }
}
