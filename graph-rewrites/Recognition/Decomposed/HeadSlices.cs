namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>Heads as the samples show them: which elements of which projections they are.</summary>
/// <param name="Query">The queries' part of their projection.</param>
/// <param name="Key">The keys' part.</param>
/// <param name="Value">The values' part.</param>
/// <param name="KeyValueHeads">G.</param>
internal sealed record HeadSlices(ProjectionSlice Query, ProjectionSlice Key, ProjectionSlice Value, long KeyValueHeads)
{
    /// <summary>Reads the samples and checks them against each other.</summary>
    /// <param name="samples">Samples of all heads.</param>
    /// <param name="heads">H.</param>
    /// <param name="size">The head size.</param>
    public static Match<HeadSlices> Of(IReadOnlyList<HeadSample> samples, long heads, long size)
    {
        Match<HeadPart> query = HeadPart.Of("queries", [.. samples.Select(sample => (sample, sample.Query))], size);
        Match<HeadPart> key = HeadPart.Of("keys", [.. samples.Select(sample => (sample, sample.Key))], size);
        Match<HeadPart> value = HeadPart.Of("values", [.. samples.Select(sample => (sample, sample.Value))], size);
        if (!query.Success || !key.Success || !value.Success)
        {
            return Match<HeadSlices>.Fail(!query.Success ? query : !key.Success ? key : value);
        }
        if (query.Found.Heads != heads)
        {
            return Match<HeadSlices>.Fail($"the output projection takes {heads} heads of {size}, the queries have {query.Found.Heads}", query.Found.Slice.Projection.Node);
        }
        if (key.Found.Heads != value.Found.Heads || heads % key.Found.Heads != 0)
        {
            return Match<HeadSlices>.Fail($"{heads} query heads do not share {key.Found.Heads} key heads and {value.Found.Heads} value heads evenly", key.Found.Slice.Projection.Node);
        }
        return WhyNotInOrder(samples, query.Found, key.Found, value.Found, heads, size) is { } reason
            ? Match<HeadSlices>.Fail(reason, key.Found.Slice.Projection.Node)
            : new HeadSlices(query.Found.Slice, key.Found.Slice, value.Found.Slice, key.Found.Heads);
    }

    private static string? WhyNotInOrder(IReadOnlyList<HeadSample> samples, HeadPart query, HeadPart key, HeadPart value, long heads, long size)
    {
        long lastRow = samples.Max(sample => sample.Row);
        foreach (HeadSample sample in samples)
        {
            long group = sample.Head * key.Heads / heads;
            (long ofQuery, long ofKey, long ofValue) = (query.HeadOf(sample.Query), key.HeadOf(sample.Key), value.HeadOf(sample.Value));
            if (ofQuery != sample.Head)
            {
                return $"head {sample.Head} of the attention output belongs to query head {ofQuery}";
            }
            if (ofKey != group || ofValue != group)
            {
                return $"query head {sample.Head} meets key head {ofKey} and value head {ofValue}, in an order other than side by side (head {group})";
            }
            if (sample.Value.Channel != value.Slice.OutputOf((group * size) + sample.Element))
            {
                return $"element {sample.Element} of value head {group} is not element {sample.Element} of head {sample.Head} of the attention output";
            }
            if (sample.Query.Row != sample.Row || sample.Key.Row != sample.Value.Row || (sample.Row == lastRow && sample.Key.Row != lastRow))
            {
                return $"token {sample.Row} is attended with the query of token {sample.Query.Row}, the key of token {sample.Key.Row} and the value of token {sample.Value.Row}";
            }
        }
        return null;
    }
}

/// <summary>The queries, the keys or the values.</summary>
/// <param name="Slice">The part of the projection that they are.</param>
/// <param name="Heads">The number of heads.</param>
/// <param name="Size">The head size.</param>
internal sealed record HeadPart(ProjectionSlice Slice, long Heads, long Size)
{
    /// <summary>The head of an element.</summary>
    public long HeadOf(TracedElement element)
    {
        long place = element.Channel - Slice.First;
        return (Slice is { BlockStride: { } stride, BlockSize: { } block } ? (place / stride * block) + (place % stride) : place) / Size;
    }

    /// <summary>Finds the part from its sampled elements: heads must follow each other without gaps, or in blocks of as many heads with gaps of one size.</summary>
    public static Match<HeadPart> Of(string what, (HeadSample Sample, TracedElement Element)[] samples, long size)
    {
        TracedElement first = samples[0].Element;
        foreach ((_, TracedElement element) in samples)
        {
            if (element.Projection.Node != first.Projection.Node)
            {
                return Match<HeadPart>.Fail($"{what} of different heads come from different projections", element.Projection.Node);
            }
            if (element.Factor != first.Factor || element.Normalization != first.Normalization)
            {
                return Match<HeadPart>.Fail($"{what} of different heads are scaled or normalised differently", element.Projection.Node);
            }
        }
        long start = samples.Min(sample => sample.Element.Channel);
        long end = samples.Max(sample => sample.Element.Channel) + 1;
        if ((end - start) % size != 0)
        {
            return Match<HeadPart>.Fail($"{what} are elements {start} to {end - 1} of a projection, which is not a number of heads of {size}", first.Projection.Node);
        }
        foreach ((HeadSample sample, TracedElement element) in samples.Where(sample => sample.Element.Partner >= 0))
        {
            if (element.Partner / element.Projection.OutputSize != element.Row || ((element.Partner % element.Projection.OutputSize) - start) / size != (element.Channel - start) / size)
            {
                return Match<HeadPart>.Fail($"the rotary embedding mixes element {sample.Element} of head {sample.Head} with another head", element.Projection.Node);
            }
        }
        return InBlocks(first.Projection, start, [.. samples.Select(sample => (sample.Element.Channel - start) / size).Distinct().Order()], size) is { } slice
            ? new HeadPart(slice, slice.Count / size, size)
            : Match<HeadPart>.Fail($"the heads of the {what} stand in their projection neither side by side nor in blocks of one size", first.Projection.Node);
    }

    /// <summary>The part that heads are, of which the places are given in heads from the first one; null where they are in no order.</summary>
    private static ProjectionSlice? InBlocks(Projection projection, long start, long[] places, long size)
    {
        int block = places.TakeWhile((place, index) => place == index).Count();
        ProjectionSlice slice = new(projection, start, places.Length * size);
        if (block == places.Length)
        {
            return slice;
        }
        long stride = places[block];
        return places.Length % block == 0 && places.Select((place, index) => place == (index / block * stride) + (index % block)).All(fits => fits)
            ? slice with { BlockStride = stride * size, BlockSize = block * size }
            : null;
    }
}
