using System.ClientModel;
using System.ClientModel.Primitives;
using System.Globalization;
using System.Text.Json;
using AlignerOnnx.TestMaterial;
using AlignerOnnx.Training;
using Microsoft.Data.Sqlite;
using OpenAI.Chat;
using OpenAI.Files;
using OpenAI.FineTuning;

#pragma warning disable OPENAI001 // The client marks its fine-tuning part as experimental.

namespace AlignerOnnx.Serving.Tests;

/// <summary>Files and fine-tuning jobs, driven by the official client; jobs really train the embedded model in a process of their own.</summary>
[TestClass]
public sealed class FineTuningTests
{
    private const string Question = "Tell me where a pig lives.";
    private static readonly string s_folder = Material.NewTemporaryFolder();
    private static readonly ServingOptions s_options = RunningServer.Pocket with { ModelFolder = Path.Combine(s_folder, "model"), BaseModelName = "pocket" };
    private static RunningServer s_server = null!;

    [ClassInitialize]
    public static async Task Start(TestContext _)
    {
        GenAI.Tests.PatchedPocket.Write(s_options.ModelFolder);
        s_server = await RunningServer.StartAsync(s_options);
    }

    [ClassCleanup]
    public static async Task Stop()
    {
        await s_server.DisposeAsync();
        Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod]
    public async Task Files_EachRoute_Works()
    {
        OpenAIFileClient files = s_server.Files();
        OpenAIFile uploaded = await files.UploadFileAsync(BinaryData.FromString("{\"a\":1}\n"), "rows.jsonl", FileUploadPurpose.FineTune);
        Assert.AreEqual("rows.jsonl", uploaded.Filename);
        Assert.AreEqual(8, uploaded.SizeInBytes);
        OpenAIFile found = await files.GetFileAsync(uploaded.Id);
        Assert.AreEqual(FilePurpose.FineTune, found.Purpose);
        OpenAIFileCollection all = await files.GetFilesAsync(FilePurpose.FineTune);
        Assert.Contains(uploaded.Id, all.Select(file => file.Id));
        BinaryData content = await files.DownloadFileAsync(uploaded.Id);
        Assert.AreEqual("{\"a\":1}\n", content.ToString());
        FileDeletionResult deleted = await files.DeleteFileAsync(uploaded.Id);
        Assert.IsTrue(deleted.Deleted);
        ClientResultException e = await Assert.ThrowsExactlyAsync<ClientResultException>(() => files.GetFileAsync(uploaded.Id));
        Assert.AreEqual(404, e.Status);
    }

    [TestMethod]
    public async Task Job_Supervised_TrainsWhileTheServerAnswersAndItsModelCanBeCalled()
    {
        string data = await UploadAsync("form-json.train.jsonl");
        string evaluation = await UploadAsync("form-json.eval.jsonl");
        FineTuningJob job = await CreateAsync(new { model = "pocket", training_file = data, validation_file = evaluation, suffix = "json", seed = 1, hyperparameters = new { steps = 120, learning_rate = 0.02 } });
        Assert.AreEqual("pocket", job.BaseModel);
        int answered = 0;
        while (job.Status != FineTuningStatus.Succeeded && job.Status != FineTuningStatus.Failed)
        {
            await s_server.Chat().CompleteChatAsync([new UserChatMessage(Question)]);
            answered++;
            await Task.Delay(100);
            await job.UpdateStatusAsync();
        }
        Assert.AreEqual(FineTuningStatus.Succeeded, job.Status, await EventsAsync(job));
        Assert.IsGreaterThan(1, answered);
        ChatCompletion completion = await s_server.Chat(job.Value!).CompleteChatAsync([new UserChatMessage(Question)]);
        Assert.IsNotNull(JsonDocument.Parse(completion.Content[0].Text).RootElement.GetProperty("answer").GetString());

        FineTuningCheckpoint checkpoint = await job.GetCheckpointsAsync().FirstAsync();
        Assert.AreEqual(120, checkpoint.StepNumber);
        Assert.IsNotNull(checkpoint.Metrics.TrainLoss);
        BinaryData table = await s_server.Files().DownloadFileAsync(job.ResultFileIds.Single());
        StringAssert.StartsWith(table.ToString(), "step,train_loss,valid_loss\n");
        Assert.Contains("metrics", await job.GetEventsAsync(new()).Select(each => each.Kind?.ToString()).ToListAsync());
        Assert.Contains(job.JobId, await s_server.FineTuning().GetJobsAsync().Select(each => each.JobId).ToListAsync());
        await s_server.Models().DeleteModelAsync(job.Value);
    }

    [TestMethod]
    public async Task Job_OfAnotherName_BecomesANewVersionOfThatAdapter()
    {
        string data = await UploadAsync("form-json.train.jsonl");
        for (int version = 1; version <= 2; version++)
        {
            FineTuningJob job = await CreateAsync(new { model = version == 1 ? "pocket" : "tone", training_file = data, metadata = new { adapter = "tone" }, hyperparameters = new { steps = 2 } });
            await FinishAsync(job, FineTuningStatus.Succeeded);
            Assert.AreEqual("tone", job.Value);
            FineTuningCheckpoint checkpoint = await job.GetCheckpointsAsync().SingleAsync();
            Assert.AreEqual($"tone@{version}", checkpoint.ModelId);
        }
    }

    [TestMethod]
    [DataRow("supervised", "form-json.train.jsonl")]
    [DataRow("dpo", "refuse.preference.train.jsonl")]
    public async Task Job_WithALearningRateMultiplier_MultipliesTheRateOfTheTool(string method, string rows)
    {
        string data = await UploadAsync(rows);
        string adapter = $"slow-{method}";
        object hyperparameters = new { steps = 1, learning_rate_multiplier = 0.5 };
        object chosen = method == "dpo" ? new { type = "dpo", dpo = new { hyperparameters } } : new { type = "supervised", supervised = new { hyperparameters } };
        await FinishAsync(await CreateAsync(new { model = "pocket", training_file = data, metadata = new { adapter }, method = chosen }), FineTuningStatus.Succeeded);
        string versions = await s_server.Http.GetStringAsync(new Uri($"/v1/adapters/{adapter}/versions", UriKind.Relative));
        double rate = (method == "dpo" ? PreferenceRequest.Recipe : TrainingOptions.Supervised).LearningRate / 2;
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"learning rate {rate} ("), versions);
    }

    [TestMethod]
    public async Task Job_Dpo_LearnsPreferences()
    {
        if (!(await AlignerProcess.RunAsync("train", "dpo", "--help")).Output.Contains("--beta", StringComparison.Ordinal))
        {
            Assert.Inconclusive("the tool has no preference training");
        }
        string data = await UploadAsync("refuse.preference.train.jsonl");
        FineTuningJob job = await CreateAsync(new { model = "pocket", training_file = data, method = new { type = "dpo", dpo = new { hyperparameters = new { steps = 3, beta = 0.2 } } } });
        await FinishAsync(job, FineTuningStatus.Succeeded);
        Assert.IsNotNull((await s_server.Chat(job.Value!).CompleteChatAsync([new UserChatMessage(Question)])).Value.Id);
    }

    [TestMethod]
    public async Task Job_WhoseLossGrows_SaysThatItStoppedEarly()
    {
        string data = await UploadAsync("form-json.train.jsonl");
        string evaluation = await UploadAsync("form-json.eval.jsonl");
        // Steps of this size unlearn more than they learn.
        FineTuningJob job = await CreateAsync(new { model = "pocket", training_file = data, validation_file = evaluation, hyperparameters = new { steps = 60, learning_rate = 10 } });
        await FinishAsync(job, FineTuningStatus.Succeeded);
        FineTuningEvent stop = await job.GetEventsAsync(new()).SingleAsync(each => each.Message.StartsWith("Training stopped early after step ", StringComparison.Ordinal));
        Assert.AreEqual("warn", stop.Level);
        Assert.Contains(" of 60: the last ", stop.Message);
    }

    [TestMethod]
    public async Task Job_Shown_HasTheHyperparametersThatItWasGiven()
    {
        string data = await UploadAsync("form-json.train.jsonl");
        object hyperparameters = new { n_epochs = 3, batch_size = 2, steps = 1_000_000, learning_rate = 0.25, tokens = 2, start_layer = 1, max_length = 99 };
        FineTuningJob job = await CreateAsync(new { model = "pocket", training_file = data, method = new { type = "supervised", supervised = new { hyperparameters } } });
        await job.CancelAndUpdateAsync();
        HyperparametersForSupervised read = (HyperparametersForSupervised)job.MethodHyperparameters!;
        Assert.AreEqual((3, 2), (read.EpochCount, read.BatchSize));
        JsonElement shown = await GetAsync($"/v1/fine_tuning/jobs/{job.JobId}");
        const string Expected = """{"n_epochs":3,"batch_size":2,"learning_rate_multiplier":"auto","steps":1000000,"learning_rate":0.25,"tokens":2,"start_layer":1,"max_length":99}""";
        Assert.IsTrue(JsonElement.DeepEquals(JsonElement.Parse(Expected), shown.GetProperty("method").GetProperty("supervised").GetProperty("hyperparameters")), $"{shown}");
        Assert.IsTrue(JsonElement.DeepEquals(JsonElement.Parse(Expected), shown.GetProperty("hyperparameters")), $"{shown}");

        FineTuningJob preferences = await CreateAsync(new { model = "pocket", training_file = data, method = new { type = "dpo", dpo = new { hyperparameters = new { beta = 0.5, steps = 7 } } } });
        await preferences.CancelAndUpdateAsync();
        Assert.AreEqual(0.5f, ((HyperparametersForDPO)preferences.MethodHyperparameters!).Beta);
        Assert.AreEqual(7, (await GetAsync($"/v1/fine_tuning/jobs/{preferences.JobId}")).GetProperty("method").GetProperty("dpo").GetProperty("hyperparameters").GetProperty("steps").GetInt32());
    }

    [TestMethod]
    public async Task List_OfJobs_IsFilteredByMetadataAndPaged()
    {
        string data = await UploadAsync("form-json.train.jsonl");
        string[] ids = new string[4];
        foreach ((int i, Dictionary<string, string>? metadata) in new Dictionary<string, string>?[] { new() { ["team"] = "a", ["run"] = "1" }, new() { ["team"] = "a", ["run"] = "2" }, new() { ["team"] = "b" }, null }.Index())
        {
            FineTuningJob job = await CreateAsync(new { model = "pocket", training_file = data, metadata, hyperparameters = new { steps = 1_000_000 } });
            await job.CancelAndUpdateAsync();
            ids[i] = job.JobId;
        }
        // Jobs of other tests have other metadata or none.
        CollectionAssert.AreEqual(new[] { ids[1], ids[0] }, await IdsAsync("metadata[team]=a"));
        CollectionAssert.AreEqual(new[] { ids[0] }, await IdsAsync("metadata%5Bteam%5D=a&metadata%5Brun%5D=1"));
        CollectionAssert.AreEqual(new[] { ids[0] }, await IdsAsync($"metadata[team]=a&limit=1&after={ids[1]}"));
        Assert.IsEmpty(await IdsAsync("metadata[team]=c"));
        string[] without = await IdsAsync("metadata=null");
        Assert.Contains(ids[3], without);
        Assert.DoesNotContain(ids[2], without);
        Assert.AreEqual(ids[3], (await s_server.FineTuning().GetJobsAsync(new FineTuningJobCollectionOptions { PageSize = 1 }).FirstAsync()).JobId);
    }

    [TestMethod]
    [DataRow("/v1/fine_tuning/jobs?metadata=a", "metadata")]
    [DataRow("/v1/fine_tuning/jobs?status=failed", "status")]
    [DataRow("/v1/fine_tuning/jobs?limit=1&limit=2", "limit")]
    [DataRow("/v1/files?made_up=1", "made_up")]
    [DataRow("/v1/files?order=random", "order")]
    public async Task List_UnknownParameter_Is400AndNamesIt(string path, string param)
    {
        using HttpResponseMessage response = await s_server.Http.GetAsync(new Uri(path, UriKind.Relative));
        JsonElement error = await RefusalTests.ErrorOf(response, System.Net.HttpStatusCode.BadRequest);
        Assert.AreEqual(param, error.GetProperty("param").GetString());
    }

    /// <summary>A key of the role train may not publish adapters, and what a job publishes is no way around that.</summary>
    [TestMethod]
    public async Task Job_OfARoleThatMayNotPublish_HasNewNamesAndThoseOfJobsOnly()
    {
        string file = Path.Combine(s_folder, "keys.json");
        (string train, string admin) = (ApiKeyFile.Add(file, "train", KeyRole.Train), ApiKeyFile.Add(file, "admin", KeyRole.Admin));
        await using RunningServer server = await RunningServer.StartAsync(s_options with { Keys = ApiKeyFile.Read(file) });
        using AdapterClient publisher = new(server.Address, admin);
        string sample = Path.Combine(s_folder, "published");
        SampleAdapter.Write(sample, Material.Pocket());
        await publisher.PushAsync(sample, "published");
        string data = (await server.Files(train).UploadFileAsync(Material.PocketData("form-json.train.jsonl"), FileUploadPurpose.FineTune)).Value.Id;

        ClientResultException e = await Assert.ThrowsExactlyAsync<ClientResultException>(() => CreateAsync(train, "published"));
        Assert.AreEqual(403, e.Status);
        Assert.Contains("insufficient_role", e.Message);
        await FinishAsync(await CreateAsync(admin, "published"), FineTuningStatus.Succeeded);
        await Assert.ThrowsExactlyAsync<ClientResultException>(() => CreateAsync(train, "published"));
        await FinishAsync(await CreateAsync(admin, "admins"), FineTuningStatus.Succeeded);
        await Assert.ThrowsExactlyAsync<ClientResultException>(() => CreateAsync(train, "admins"));
        await FinishAsync(await CreateAsync(train, "own"), FineTuningStatus.Succeeded);
        await FinishAsync(await CreateAsync(train, "own"), FineTuningStatus.Succeeded);

        // An admin who publishes the same values again makes the name an admin's; once is enough.
        string own = Path.Combine(s_folder, "own");
        await publisher.PullAsync("own", own);
        Assert.AreEqual(2, (await publisher.PushAsync(own)).Version);
        Assert.AreEqual(2, (await publisher.PushAsync(own)).Version);
        await Assert.ThrowsExactlyAsync<ClientResultException>(() => CreateAsync(train, "own"));

        // The name is taken while the job waits.
        FineTuningJob late = await CreateAsync(train, "late", steps: 1_000_000);
        await UntilAsync(late, "running");
        FineTuningJob waiting = await CreateAsync(train, "taken");
        await publisher.PushAsync(sample, "taken");
        await late.CancelAndUpdateAsync();
        await FinishAsync(waiting, FineTuningStatus.Failed);
        Assert.Contains("needs a key of the role admin", await EventsAsync(waiting));
        PipelineResponse shown = (await server.FineTuning(train).GetJobAsync(waiting.JobId)).GetRawResponse();
        Assert.AreEqual("insufficient_role", JsonElement.Parse(shown.Content).GetProperty("error").GetProperty("code").GetString());

        Task<FineTuningJob> CreateAsync(string key, string adapter, int steps = 1) => server.FineTuning(key).FineTuneAsync(
            BinaryContent.Create(BinaryData.FromObjectAsJson(new { model = "pocket", training_file = data, metadata = new { adapter }, hyperparameters = new { steps } })), waitUntilCompleted: false, new RequestOptions());
    }

    /// <summary>The state of that server says nothing of rights.</summary>
    [TestMethod]
    public async Task Job_LeftByAServerFromBeforeItsRights_HasThoseOfTrain()
    {
        ServingOptions options = s_options with { StateFolder = Path.Combine(s_folder, "old") };
        string left;
        await using (RunningServer first = await RunningServer.StartAsync(options))
        {
            using AdapterClient publisher = new(first.Address);
            string sample = Path.Combine(s_folder, "uploaded");
            SampleAdapter.Write(sample, Material.Pocket());
            await publisher.PushAsync(sample);
            string data = await UploadAsync("form-json.train.jsonl", first);
            FineTuningJob before = await CreateAsync(new { model = "pocket", training_file = data, hyperparameters = new { steps = 1_000_000 } }, first);
            FineTuningJob job = await CreateAsync(new { model = "pocket", training_file = data, metadata = new { adapter = "uploaded" }, hyperparameters = new { steps = 1 } }, first);
            await first.FineTuning().PauseFineTuningJobAsync(job.JobId, new RequestOptions());
            await before.CancelAndUpdateAsync();
            left = job.JobId;
        }
        using (SqliteConnection database = new($"Data Source={Path.Combine(options.StateFolder, "state.db")};Pooling=False"))
        {
            database.Open();
            using SqliteCommand command = database.CreateCommand();
            command.CommandText = "ALTER TABLE jobs DROP COLUMN may_replace_any; PRAGMA user_version = 2";
            command.ExecuteNonQuery();
        }
        await using RunningServer second = await RunningServer.StartAsync(options);
        await second.FineTuning().ResumeFineTuningJobAsync(left, new RequestOptions());
        FineTuningJob again = await second.FineTuning().GetJobAsync(left);
        await FinishAsync(again, FineTuningStatus.Failed);
        Assert.Contains("needs a key of the role admin", await EventsAsync(again));
    }

    [TestMethod]
    public async Task Job_PausedResumedCancelled_FollowsItsStatuses()
    {
        string data = await UploadAsync("form-json.train.jsonl");
        FineTuningJob job = await CreateAsync(new { model = "pocket", training_file = data, hyperparameters = new { steps = 1_000_000 } });
        await UntilAsync(job, "running");
        await s_server.FineTuning().PauseFineTuningJobAsync(job.JobId, new RequestOptions());
        await job.UpdateStatusAsync();
        Assert.AreEqual("paused", job.Status.ToString());
        ClientResultException used = await Assert.ThrowsExactlyAsync<ClientResultException>(() => s_server.Files().DeleteFileAsync(data));
        Assert.AreEqual(409, used.Status);
        await s_server.FineTuning().ResumeFineTuningJobAsync(job.JobId, new RequestOptions());
        await UntilAsync(job, "running");
        await job.CancelAndUpdateAsync();
        Assert.AreEqual(FineTuningStatus.Cancelled, job.Status);
        ClientResultException e = await Assert.ThrowsExactlyAsync<ClientResultException>(() => s_server.FineTuning().ResumeFineTuningJobAsync(job.JobId, new RequestOptions()));
        Assert.AreEqual(400, e.Status);
        Assert.IsTrue((await s_server.Files().DeleteFileAsync(data)).Value.Deleted);
    }

    [TestMethod]
    public async Task Job_Paused_ItsCheckpointCanBeCalledAndOutlivesIt()
    {
        FineTuningJob job = await CreateAsync(new { model = "pocket", training_file = await UploadAsync("form-json.train.jsonl"), suffix = "half", hyperparameters = new { steps = 1_000_000 } });
        while (!(await job.GetEventsAsync(new()).Select(each => each.Kind?.ToString()).ToListAsync()).Contains("metrics"))
        {
            await Task.Delay(50);
            await job.UpdateStatusAsync();
            Assert.IsTrue(job.Status.ToString() is "queued" or "running", $"{job.Status}: {await EventsAsync(job)}");
        }
        await s_server.FineTuning().PauseFineTuningJobAsync(job.JobId, new RequestOptions());
        FineTuningCheckpoint? checkpoint;
        while ((checkpoint = await job.GetCheckpointsAsync().FirstOrDefaultAsync()) is null)
        {
            // The training process is writing its last state.
            await Task.Delay(50);
        }
        Assert.IsGreaterThan(0, checkpoint.StepNumber);
        Assert.EndsWith($":ckpt-step-{checkpoint.StepNumber}", checkpoint.ModelId);
        string said = (await EventsAsync(job)).Split('\n').Single(message => message.StartsWith($"Step {checkpoint.StepNumber}/", StringComparison.Ordinal));
        Assert.AreEqual(double.Parse(said[(said.IndexOf('=', StringComparison.Ordinal) + 1)..], System.Globalization.CultureInfo.InvariantCulture), checkpoint.Metrics.TrainLoss!.Value, 1e-4);
        await job.CancelAndUpdateAsync();
        Assert.AreEqual(checkpoint.ModelId, (await s_server.Chat(checkpoint.ModelId).CompleteChatAsync([new UserChatMessage(Question)])).Value.Model);
        Assert.AreEqual(checkpoint.Id, (await job.GetCheckpointsAsync().SingleAsync()).Id);
        await s_server.Models().DeleteModelAsync(checkpoint.ModelId);
    }

    [TestMethod]
    public async Task Job_OfUnusableData_FailsSaysWhyAndLeavesNoFolder()
    {
        string state = Path.Combine(s_folder, "failing");
        await using RunningServer server = await RunningServer.StartAsync(s_options with { StateFolder = state });
        OpenAIFile file = await server.Files().UploadFileAsync(BinaryData.FromString("not json\n"), "rows.jsonl", FileUploadPurpose.FineTune);
        FineTuningJob job = await CreateAsync(new { model = "pocket", training_file = file.Id }, server);
        await FinishAsync(job, FineTuningStatus.Failed);
        using JsonDocument raw = JsonDocument.Parse(await server.Http.GetStringAsync(new Uri($"/v1/fine_tuning/jobs/{job.JobId}", UriKind.Relative)));
        Assert.AreEqual("data_refused", raw.RootElement.GetProperty("error").GetProperty("code").GetString());
        Assert.IsNotEmpty(raw.RootElement.GetProperty("error").GetProperty("message").GetString()!);
        await server.StopAsync();
        Assert.IsEmpty(Directory.GetDirectories(Path.Combine(state, "jobs")));
    }

    [TestMethod]
    public async Task Job_OfAStoppedServer_GoesOnInTheNext()
    {
        ServingOptions options = s_options with { StateFolder = Path.Combine(s_folder, "state") };
        string id;
        await using (RunningServer first = await RunningServer.StartAsync(options))
        {
            string data = await UploadAsync("form-json.train.jsonl", first);
            FineTuningJob job = await CreateAsync(new { model = "pocket", training_file = data, hyperparameters = new { steps = 60 } }, first);
            await UntilAsync(job, "running");
            id = job.JobId;
        }
        await using RunningServer second = await RunningServer.StartAsync(options);
        FineTuningJob again = await second.FineTuning().GetJobAsync(id);
        await FinishAsync(again, FineTuningStatus.Succeeded);
        Assert.IsNotNull((await second.Chat(again.Value!).CompleteChatAsync([new UserChatMessage(Question)])).Value.Id);
    }

    [TestMethod]
    [DataRow("{}", "model")]
    [DataRow("{\"model\":\"other\",\"training_file\":\"x\"}", "model", 404)]
    [DataRow("{\"model\":\"pocket\"}", "training_file")]
    [DataRow("{\"model\":\"pocket\",\"training_file\":\"file-none\"}", "training_file", 404)]
    [DataRow("{\"model\":\"pocket\",\"training_file\":\"x\",\"method\":{\"type\":\"reinforcement\"}}", "method")]
    [DataRow("{\"model\":\"pocket\",\"training_file\":\"x\",\"hyperparameters\":{\"n_epochs\":0}}", "hyperparameters.n_epochs")]
    [DataRow("{\"model\":\"pocket\",\"training_file\":\"x\",\"hyperparameters\":{\"n_epochs\":\"many\"}}", "hyperparameters.n_epochs")]
    [DataRow("{\"model\":\"pocket\",\"training_file\":\"x\",\"suffix\":\"a b\"}", "suffix")]
    [DataRow("{\"model\":\"pocket\",\"training_file\":\"x\",\"integrations\":[{\"type\":\"wandb\"}]}", "integrations")]
    [DataRow("{\"model\":\"pocket\",\"training_file\":\"x\",\"made_up\":1}", "made_up")]
    [DataRow("{\"model\":\"pocket\",\"training_file\":\"x\",\"hyperparameters\":{\"beta\":0.1}}", "hyperparameters.beta")]
    [DataRow("{\"model\":\"pocket\",\"training_file\":\"x\",\"method\":{\"type\":\"supervised\",\"dpo\":{}}}", "method.dpo")]
    [DataRow("{\"model\":\"pocket\",\"training_file\":\"x\",\"method\":{\"type\":\"dpo\",\"supervised\":{}}}", "method.supervised")]
    [DataRow("{\"model\":\"pocket\",\"training_file\":\"x\",\"method\":{\"type\":\"supervised\",\"supervised\":{\"hyperparameters\":{\"stepz\":5}}}}", "method.supervised.hyperparameters.stepz")]
    public async Task Create_Bad_IsRefusedAndNamesTheParameter(string body, string param, int status = 400)
    {
        using HttpResponseMessage response = await s_server.PostAsync(body, path: "/v1/fine_tuning/jobs");
        JsonElement error = await RefusalTests.ErrorOf(response, (System.Net.HttpStatusCode)status);
        Assert.AreEqual(param, error.GetProperty("param").GetString());
    }

    private static async Task<JsonElement> GetAsync(string path) => JsonElement.Parse(await s_server.Http.GetStringAsync(new Uri(path, UriKind.Relative)));

    private static async Task<string[]> IdsAsync(string query) =>
        [.. (await GetAsync($"/v1/fine_tuning/jobs?{query}")).GetProperty("data").EnumerateArray().Select(job => job.GetProperty("id").GetString()!)];

    private static async Task<string> UploadAsync(string name, RunningServer? server = null)
    {
        OpenAIFile file = await (server ?? s_server).Files().UploadFileAsync(Material.PocketData(name), FileUploadPurpose.FineTune);
        return file.Id;
    }

    private static Task<FineTuningJob> CreateAsync(object body, RunningServer? server = null) =>
        (server ?? s_server).FineTuning().FineTuneAsync(BinaryContent.Create(BinaryData.FromObjectAsJson(body)), waitUntilCompleted: false, new RequestOptions());

    private static async Task UntilAsync(FineTuningJob job, string status)
    {
        while (job.Status.ToString() != status)
        {
            Assert.IsTrue(job.Status.ToString() is "queued" or "running" or "paused", $"{job.Status}: {await EventsAsync(job)}");
            await Task.Delay(50);
            await job.UpdateStatusAsync();
        }
    }

    private static async Task FinishAsync(FineTuningJob job, FineTuningStatus expected)
    {
        while (job.Status.ToString() is "queued" or "running")
        {
            await Task.Delay(100);
            await job.UpdateStatusAsync();
        }
        Assert.AreEqual(expected, job.Status, await EventsAsync(job));
    }

    private static async Task<string> EventsAsync(FineTuningJob job) => string.Join('\n', await job.GetEventsAsync(new()).Select(each => each.Message).ToListAsync());
}
