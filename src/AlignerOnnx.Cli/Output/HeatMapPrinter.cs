using System.Globalization;
using AlignerOnnx.Adapters;

namespace AlignerOnnx.Cli;

/// <summary>A heat map in the terminal: coloured cells where there are colours, numbers elsewhere.</summary>
internal static class HeatMapPrinter
{
    /// <summary>The variable by which people switch colours off: https://no-color.org.</summary>
    private const string NoColour = "NO_COLOR";

    private static bool HasColours => !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable(NoColour));

    public static void Show(CommandOutput output, HeatMap map)
    {
        if (!HasColours)
        {
            output.Table(["layer", .. Enumerable.Range(0, map.Columns).Select(head => $"head {head}")],
                map.Rows.Select((name, row) => (string[])[name, .. Enumerable.Range(0, map.Columns).Select(head => map.At(row, head).ToString("f4", CultureInfo.InvariantCulture))]));
            return;
        }
        output.Line(string.Create(CultureInfo.InvariantCulture, $"  gates by layer and head: blue below zero, orange above, to {map.Largest:f4}"));
        for (int row = 0; row < map.Rows.Count; row++)
        {
            output.Line($"  {map.Rows[row],5} {string.Concat(Enumerable.Range(0, map.Columns).Select(head => CellOf(map, row, head)))}\e[0m");
        }
    }

    private static string CellOf(HeatMap map, int row, int column)
    {
        (byte red, byte green, byte blue) = map.ColourOf(row, column);
        // Two columns wide, so that a cell is about square; the sign stands in it for those who see no colours.
        return string.Create(CultureInfo.InvariantCulture, $"\e[48;2;{red};{green};{blue}m\e[38;2;0;0;0m{(map.Share(row, column) < -0.05 ? " -" : map.Share(row, column) > 0.05 ? " +" : "  ")}");
    }
}
