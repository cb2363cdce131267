namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>The places of the elements that one element of a product sums over. Axes have letters as in an Einsum; one letter is summed over.</summary>
internal sealed class ProductPlaces
{
    private readonly string _left;
    private readonly string _right;
    private readonly string _result;
    private readonly char _summed;
    private readonly long[] _leftShape;
    private readonly long[] _rightShape;

    private ProductPlaces(string left, long[] leftShape, string right, long[] rightShape, string result, char summed, long[] shape, long depth) =>
        (_left, _leftShape, _right, _rightShape, _result, _summed, Shape, Depth) = (left, leftShape, right, rightShape, result, summed, shape, depth);

    /// <summary>The shape of the product.</summary>
    public long[] Shape { get; }

    /// <summary>The number of products that an element sums.</summary>
    public long Depth { get; }

    /// <summary>The places of a product; null where letters and shapes do not fit.</summary>
    public static ProductPlaces? Of(string left, long[] leftShape, string right, long[] rightShape, string result)
    {
        char[] summed = [.. left.Intersect(right).Except(result)];
        if (left.Length == 0 || left.Length != leftShape.Length || right.Length != rightShape.Length || summed.Length != 1
            || left.Distinct().Count() != left.Length || right.Distinct().Count() != right.Length || left.Union(right).Count() != result.Length + 1)
        {
            return null;
        }
        Dictionary<char, long> sizes = [];
        foreach ((char letter, long size) in left.Zip(leftShape).Concat(right.Zip(rightShape)))
        {
            long other = sizes.GetValueOrDefault(letter, 1);
            if (other != 1 && size != 1 && other != size)
            {
                return null;
            }
            sizes[letter] = Math.Max(other, size);
        }
        return new ProductPlaces(left, leftShape, right, rightShape, result, summed[0], [.. result.Select(letter => sizes[letter])], sizes[summed[0]]);
    }

    /// <summary>The place in the left operand.</summary>
    /// <param name="place">The element of the product.</param>
    /// <param name="index">Which of the summed products.</param>
    public long Left(long place, long index) => Place(_left, _leftShape, place, index);

    /// <summary>The place in the right operand.</summary>
    /// <param name="place">The element of the product.</param>
    /// <param name="index">Which of the summed products.</param>
    public long Right(long place, long index) => Place(_right, _rightShape, place, index);

    private long Place(string letters, long[] shape, long place, long index)
    {
        long[] at = Coordinates.Of(place, Shape);
        return Coordinates.Place([.. letters.Select(letter => letter == _summed ? index : at[_result.IndexOf(letter, StringComparison.Ordinal)])], shape);
    }
}
