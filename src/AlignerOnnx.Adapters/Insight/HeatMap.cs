using System.Globalization;
using System.Security;
using System.Text;

namespace AlignerOnnx.Adapters;

/// <summary>A table of numbers as a picture: blue below zero, orange above, white at zero, so that both signs are told apart by every colour vision.</summary>
/// <param name="Rows">Names of the rows, from the top.</param>
/// <param name="Columns">How many columns.</param>
/// <param name="Values">The numbers, row after row.</param>
public sealed record HeatMap(IReadOnlyList<string> Rows, int Columns, ReadOnlyMemory<float> Values)
{
    private const int Cell = 22;
    private const int Margin = 60;

    /// <summary>The largest magnitude; the colours reach to it.</summary>
    public float Largest { get; } = Values.Length == 0 ? 0 : Values.Span.ToArray().Max(Math.Abs);

    /// <summary>A map of an adapter's gates: a row for each adapted layer, a column for each head.</summary>
    /// <param name="adapter">The adapter.</param>
    public static HeatMap OfGates(Adapter adapter)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        int layers = adapter.Gates.Length / adapter.Config.NumHeads;
        return new HeatMap([.. Enumerable.Range(adapter.Config.StartLayer, layers).Select(layer => $"{layer}")], adapter.Config.NumHeads, adapter.Gates);
    }

    /// <summary>One number.</summary>
    public float At(int row, int column) => Values.Span[(row * Columns) + column];

    /// <summary>A number as a share of the largest magnitude, -1 .. 1.</summary>
    public double Share(int row, int column) => Largest > 0 ? At(row, column) / Largest : 0;

    /// <summary>The colour of a number.</summary>
    public (byte Red, byte Green, byte Blue) ColourOf(int row, int column)
    {
        double share = Share(row, column);
        (int red, int green, int blue) = share < 0 ? (0x00, 0x72, 0xB2) : (0xD5, 0x5E, 0x00);
        return (Mix(red), Mix(green), Mix(blue));

        byte Mix(int full) => (byte)Math.Round(255 + ((full - 255) * Math.Abs(share)));
    }

    /// <summary>The picture as SVG; each cell tells its number when it is pointed at.</summary>
    /// <param name="title">What stands above it.</param>
    public string ToSvg(string title)
    {
        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" width="{Margin + (Columns * Cell) + 20}" height="{Margin + (Rows.Count * Cell) + 20}" font-family="sans-serif" font-size="11" role="img" aria-label="{SecurityElement.Escape(title)}">
            <rect width="100%" height="100%" fill="white"/>
            <text x="10" y="20" font-size="14">{SecurityElement.Escape(title)}</text>
            <text x="10" y="{Margin - 8}">layer</text>

            """);
        for (int column = 0; column < Columns; column++)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Margin + (column * Cell) + (Cell / 2)}\" y=\"{Margin - 8}\" text-anchor=\"middle\">{column}</text>\n");
        }
        for (int row = 0; row < Rows.Count; row++)
        {
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Margin - 8}\" y=\"{Margin + (row * Cell) + 15}\" text-anchor=\"end\">{SecurityElement.Escape(Rows[row])}</text>\n");
            for (int column = 0; column < Columns; column++)
            {
                (byte red, byte green, byte blue) = ColourOf(row, column);
                svg.Append(CultureInfo.InvariantCulture, $"<rect x=\"{Margin + (column * Cell)}\" y=\"{Margin + (row * Cell)}\" width=\"{Cell}\" height=\"{Cell}\" fill=\"#{red:X2}{green:X2}{blue:X2}\"><title>layer {SecurityElement.Escape(Rows[row])}, head {column}: {At(row, column):G4}</title></rect>\n");
            }
        }
        return svg.Append("</svg>\n").ToString();
    }
}
