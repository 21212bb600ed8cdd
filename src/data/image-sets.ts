/** A file of a set, known by its decoded (inflated) bytes. Its gzip form has the name with `.gz`. */
export interface SetFile {
  readonly name: string;
  readonly byteLength: number;
  readonly sha256: string;
}

/** A published set of images and labels in four IDX files, and where it can be had. */
export interface ImageSet {
  readonly title: string;
  /** Its folder within the cache folder, and the name of its data sets. */
  readonly folder: string;
  readonly files: {
    readonly trainImages: SetFile;
    readonly trainLabels: SetFile;
    readonly testImages: SetFile;
    readonly testLabels: SetFile;
  };
  readonly classNames: readonly string[];
  /** Folders where a system package puts the files. */
  readonly systemFolders: readonly string[];
  /** The Debian package that holds the files in `systemFolders`. */
  readonly debianPackage?: string;
  /** Base addresses; a file is at `<mirror>/<name>.gz`. Contents are judged by their hash, so plain http is as good. */
  readonly mirrors: readonly string[];
}

/** Fashion-MNIST: Xiao, Rasul and Vollgraf 2017, github.com/zalandoresearch/fashion-mnist (MIT). */
export const FASHION_MNIST: ImageSet = {
  title: 'Fashion-MNIST',
  folder: 'fashion-mnist',
  files: {
    trainImages: {
      name: 'train-images-idx3-ubyte',
      byteLength: 47_040_016,
      sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    },
    trainLabels: {
      name: 'train-labels-idx1-ubyte',
      byteLength: 60_008,
      sha256: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
    },
    testImages: {
      name: 't10k-images-idx3-ubyte',
      byteLength: 7_840_016,
      sha256: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    },
    testLabels: {
      name: 't10k-labels-idx1-ubyte',
      byteLength: 10_008,
      sha256: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
    },
  },
  classNames: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
  systemFolders: ['/usr/share/datasets/fashion-mnist'],
  debianPackage: 'dataset-fashion-mnist',
  mirrors: [
    'https://storage.googleapis.com/tensorflow/tf-keras-datasets',
    'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion',
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com',
  ],
};

/** MNIST: LeCun, Cortes and Burges 1998 (CC BY-SA 3.0). */
export const MNIST: ImageSet = {
  title: 'MNIST',
  folder: 'mnist',
  files: {
    trainImages: {
      name: 'train-images-idx3-ubyte',
      byteLength: 47_040_016,
      sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    },
    trainLabels: {
      name: 'train-labels-idx1-ubyte',
      byteLength: 60_008,
      sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    },
    testImages: {
      name: 't10k-images-idx3-ubyte',
      byteLength: 7_840_016,
      sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    },
    testLabels: {
      name: 't10k-labels-idx1-ubyte',
      byteLength: 10_008,
      sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
    },
  },
  classNames: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  systemFolders: [],
  mirrors: ['https://storage.googleapis.com/cvdf-datasets/mnist', 'https://ossci-datasets.s3.amazonaws.com/mnist'],
};
