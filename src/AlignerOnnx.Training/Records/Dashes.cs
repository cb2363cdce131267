namespace AlignerOnnx.Training;

/// <summary>Cuts a line into what a dash pattern leaves of it.</summary>
internal static class Dashes
{
    /// <summary>The pieces to draw, each straight.</summary>
    /// <param name="points">The line's points.</param>
    /// <param name="pattern">Lengths of dash and gap in turn, above 0, an even number of them; empty leaves the whole line.</param>
    public static IEnumerable<((double X, double Y) From, (double X, double Y) To)> Of(IReadOnlyList<(double X, double Y)> points, IReadOnlyList<double> pattern)
    {
        int part = 0;
        double left = pattern.Count == 0 ? double.PositiveInfinity : pattern[0];
        for (int i = 1; i < points.Count; i++)
        {
            (double X, double Y) from = points[i - 1];
            double rest = double.Hypot(points[i].X - from.X, points[i].Y - from.Y);
            while (rest > 0)
            {
                double step = Math.Min(rest, left);
                (double X, double Y) to = step == rest ? points[i] : (from.X + ((points[i].X - from.X) * step / rest), from.Y + ((points[i].Y - from.Y) * step / rest));
                if (part % 2 == 0)
                {
                    yield return (from, to);
                }
                (from, rest, left) = (to, rest - step, left - step);
                if (left == 0)
                {
                    part = (part + 1) % pattern.Count;
                    left = pattern[part];
                }
            }
        }
    }
}
